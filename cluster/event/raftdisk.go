package event

import "time"

func init() { register[RaftDisk]() }

// RaftDisk is what one member's disk took since its last report, and its
// database. There is one every 2 s while there are writes.
type RaftDisk struct {
	Node string `json:"node"`
	// Took is the interval the latencies are of; 0 for the life of the process.
	Took   time.Duration `json:"took,omitempty"`
	Fsync  RaftLatency   `json:"fsync"`  // etcd_disk_wal_fsync_duration_seconds
	Commit RaftLatency   `json:"commit"` // etcd_disk_backend_commit_duration_seconds
	// DBBytes is the size of the database file, DBInUse the part that holds
	// data, QuotaBytes the size at which etcd refuses writes.
	DBBytes    int64 `json:"dbBytes,omitempty"`
	DBInUse    int64 `json:"dbInUse,omitempty"`
	QuotaBytes int64 `json:"quotaBytes,omitempty"`
}

// RaftLatency are latencies from a histogram: the upper bounds of the buckets
// in which the quantiles lie (etcd's are 1 ms, 2 ms, 4 ms, ...), -1 for beyond
// the last; the mean is exact.
type RaftLatency struct {
	Count int           `json:"count,omitempty"`
	Mean  time.Duration `json:"mean,omitempty"`
	P50   time.Duration `json:"p50,omitempty"`
	P99   time.Duration `json:"p99,omitempty"`
}

// Type implements Body.
func (RaftDisk) Type() string { return "raft.disk" }

func (RaftDisk) sealed() {}

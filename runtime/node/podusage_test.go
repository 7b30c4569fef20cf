package node

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workbench/cluster/event"
	"workbench/runtime/mount"
)

// tree makes files below a directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const devices = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     700       7    0    0    0     0          0         0      700       7    0    0    0     0       0          0
  eth0: 1234567      90    0    0    0     0          0         0    98765      80    0    0    0     0       0          0
`

// processes makes a proc in which the meter itself is in one network namespace,
// process 20 in another and process 21 in the meter's.
func processes(t *testing.T) string {
	t.Helper()
	proc := tree(t, map[string]string{"20/net/dev": devices, "self/net/dev": devices, "21/net/dev": devices})
	for pid, ns := range map[string]string{"self": "net:[1]", "20": "net:[2]", "21": "net:[1]"} {
		if err := os.Mkdir(filepath.Join(proc, pid, "ns"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(ns, filepath.Join(proc, pid, "ns/net")); err != nil {
			t.Fatal(err)
		}
	}
	return proc
}

func TestPodUsage(t *testing.T) {
	traffic := &event.Traffic{Received: 1234567, Sent: 98765}
	want := map[string]event.PodUsage{
		"a": {Usage: event.Usage{CPU: 5 * time.Second, MemoryBytes: 900}, Network: traffic},
		"b": {Usage: event.Usage{CPU: time.Second, MemoryBytes: 0}}, // in the node's network
		"c": {Usage: event.Usage{CPU: 7 * time.Microsecond, MemoryBytes: 4}},
	}
	one := tree(t, map[string]string{
		"cpu/kubepods/poda/cpuacct.usage":                       "5000000000\n",
		"memory/kubepods/poda/memory.usage_in_bytes":            "1000\n",
		"memory/kubepods/poda/memory.stat":                      "cache 5\ntotal_inactive_file 100\n",
		"memory/kubepods/poda/x1/cgroup.procs":                  "",
		"memory/kubepods/poda/x2/cgroup.procs":                  "20\n33\n",
		"cpu/kubepods/besteffort/podb/cpuacct.usage":            "1000000000\n",
		"memory/kubepods/besteffort/podb/memory.stat":           "total_inactive_file 100\n",
		"memory/kubepods/besteffort/podb/memory.usage_in_bytes": "50\n",
		"memory/kubepods/besteffort/podb/x1/cgroup.procs":       "21\n",
		"cpu/kubepods/burstable/podc/cpuacct.usage":             "7000\n",
		"memory/kubepods/burstable/podc/memory.stat":            "total_inactive_file 0\n",
		"memory/kubepods/burstable/podc/memory.usage_in_bytes":  "4\n",
		"memory/kubepods/burstable/podgone/memory.stat":         "",
	})
	two := tree(t, map[string]string{
		"kubepods/poda/cpu.stat":                     "usage_usec 5000000\nuser_usec 1\n",
		"kubepods/poda/memory.current":               "1000\n",
		"kubepods/poda/memory.stat":                  "anon 5\ninactive_file 100\n",
		"kubepods/poda/x2/cgroup.procs":              "20\n",
		"kubepods/besteffort/podb/cpu.stat":          "usage_usec 1000000\n",
		"kubepods/besteffort/podb/memory.current":    "50\n",
		"kubepods/besteffort/podb/memory.stat":       "inactive_file 100\n",
		"kubepods/besteffort/podb/x/cgroup.procs":    "21\n",
		"kubepods/burstable/podc/cpu.stat":           "usage_usec 7\n",
		"kubepods/burstable/podc/memory.current":     "4\n",
		"kubepods/burstable/podc/memory.stat":        "inactive_file 0\n",
		"kubepods/burstable/podc/cgroup.procs":       "",
		"kubepods/burstable/cgroup.procs":            "",
		"kubepods/burstable/podgone/x1/cgroup.procs": "99\n",
	})
	for version, groups := range map[string][]mount.Cgroup{
		"v1": {{Target: one + "/cpu", Options: "cpu,cpuacct"}, {Target: one + "/memory", Options: "memory"}, {Target: one + "/unified", V2: true}},
		"v2": {{Target: two, V2: true}},
	} {
		m := newMeter(processes(t), groups)
		if diff := cmp.Diff(want, m.pods()); diff != "" {
			t.Errorf("%s: %s", version, diff)
		}
		if diff := cmp.Diff(traffic, m.network()); diff != "" {
			t.Errorf("%s: the node's network: %s", version, diff)
		}
	}
	if got := newMeter(processes(t), nil).pods(); got != nil {
		t.Errorf("pods %v without control groups", got)
	}
}

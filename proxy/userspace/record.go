package userspace

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Record is what became of one TCP connection at this proxy.
type Record struct {
	Client   netip.AddrPort `json:"client"`
	Listener netip.AddrPort `json:"listener"`
	Service  string         `json:"service"` // key of the port
	Kind     string         `json:"kind"`    // of the frontend
	At       time.Time      `json:"at"`      // accepted
	// Attempts are the endpoints it was tried to reach, in order.
	Attempts []Attempt `json:"attempts,omitempty"`
	// Done says that the last attempt has ended.
	Done bool `json:"done"`
}

// Attempt is a connection to an endpoint.
type Attempt struct {
	Endpoint netip.AddrPort `json:"endpoint"`
	// Of is how many endpoints there were to choose from; Kept says that the
	// client's affinity chose.
	Of   int  `json:"of"`
	Kept bool `json:"kept,omitempty"`
	// Source is where it came from, once it was connected.
	Source netip.AddrPort `json:"source,omitzero"`
	// Error is why it was not; "" while it is tried, and when it was.
	Error string        `json:"error,omitempty"`
	Took  time.Duration `json:"took"`
}

// mostRecords is how many connections are remembered.
const mostRecords = 256

// records are the last connections.
type records struct {
	mu      sync.Mutex
	last    []*Record     // oldest first
	changed chan struct{} // closed at each change
}

func newRecords() *records { return &records{changed: make(chan struct{})} }

// change changes a record; one that is not known yet is added.
func (r *records) change(one *Record, how func(*Record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	how(one)
	if !slices.Contains(r.last, one) {
		if len(r.last) == mostRecords {
			r.last = slices.Delete(r.last, 0, 1)
		}
		r.last = append(r.last, one)
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// of waits until it is known what became of a client's connection, or ctx ends:
// then it is what is known by then, which may be nothing.
func (r *records) of(ctx context.Context, client netip.AddrPort) (Record, bool) {
	for {
		r.mu.Lock()
		var found Record
		for _, one := range r.last {
			if one.Client == client {
				found = *one // the newest of that client
				found.Attempts = slices.Clone(one.Attempts)
			}
		}
		changed := r.changed
		r.mu.Unlock()
		if found.Done {
			return found, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return found, found.Client.IsValid()
		}
	}
}

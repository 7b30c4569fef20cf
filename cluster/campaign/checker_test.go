package campaign

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a store that is right, unless spoil says otherwise.
type memory struct {
	mu      sync.Mutex
	values  map[string]Seen
	version int
	// lose drops an acknowledged write; silent says that an answer is lost, after
	// the write or before it.
	lose   func(key, value string) bool
	silent func(n int) (lost, before bool)
	// stale answers reads with what was there before.
	stale bool
	old   map[string]Seen
}

func newMemory() *memory { return &memory{values: map[string]Seen{}, old: map[string]Seen{}} }

func (m *memory) Name() string { return "memory" }

func (m *memory) Read(_ context.Context, key string) (Seen, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stale && m.version%5 == 0 {
		return m.old[key], nil
	}
	return m.values[key], nil
}

func (m *memory) Swap(ctx context.Context, key string, expect Seen, value string) (Seen, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lost, before := false, false
	if m.silent != nil {
		lost, before = m.silent(m.version)
	}
	if lost && before {
		m.version++
		return Seen{}, errors.New("no answer")
	}
	if m.values[key].Version != expect.Version {
		return Seen{}, ErrConflict
	}
	m.version++
	seen := Seen{Value: value, Version: fmt.Sprint(m.version)}
	if m.lose == nil || !m.lose(key, value) {
		m.old[key], m.values[key] = m.values[key], seen
	}
	if lost {
		return Seen{}, context.DeadlineExceeded
	}
	return seen, nil
}

func (m *memory) List(_ context.Context, prefix string) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]string{}
	for key, seen := range m.values {
		if strings.HasPrefix(key, prefix) {
			out[key] = seen.Value
		}
	}
	return out, nil
}

func (m *memory) Delete(_ context.Context, prefix string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.values, func(key string, _ Seen) bool { return strings.HasPrefix(key, prefix) })
	return nil
}

// check lets clients write to a store for a while, verifying now and then.
func check(t *testing.T, m *memory) (found Finding, c *Checker) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c = NewChecker(m, "p.", t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.Run(ctx) })
		var all Result
		for range 3 {
			time.Sleep(10 * time.Second)
			f, err := c.Verify(t.Context())
			if err != nil {
				t.Error(err)
			}
			all.add(f)
		}
		cancel()
		running.Wait()
		found = all.Found
	})
	return found, c
}

func TestStoreThatIsRight(t *testing.T) {
	m := newMemory()
	f, c := check(t, m)
	if !f.OK() || len(f.Undecided) > 0 || f.Made < 100 || f.Registers < 3 || c.acknowledged.Load() < 300 || c.unknown.Load() > 0 {
		t.Errorf("%+v, %d acknowledged", f, c.acknowledged.Load())
	}
	if left, err := c.Clean(t.Context()); err != nil || len(left) > 0 || len(m.values) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestLostAnswers holds that requests without an answer are no violations, and
// that registers are changed before they are too many to check.
func TestLostAnswers(t *testing.T) {
	m := newMemory()
	m.silent = func(n int) (lost, before bool) { return n%7 == 3, n%2 == 0 }
	f, c := check(t, m)
	if !f.OK() || len(f.Undecided) > 0 || c.unknown.Load() < 20 || f.Registers < 6 {
		t.Errorf("%+v, %d unknown", f, c.unknown.Load())
	}
}

// TestStoresThatAreWrong holds that the checker sees what a store does wrong.
func TestStoresThatAreWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*memory)
		sees  func(Finding) bool
	}{
		"loses what was made": {
			func(m *memory) { m.lose = func(key, _ string) bool { return strings.HasSuffix(key, "m1-70") } },
			func(f Finding) bool { return len(f.Lost) == 1 && strings.Contains(f.String(), "lost: p.m1-70") },
		},
		"loses a write of a register": {
			func(m *memory) {
				// Which of a client's swaps succeed depends on the others.
				m.lose = func(key, value string) bool {
					return strings.Contains(key, ".r") && len(value) == 4 && strings.HasPrefix(value, "1.2")
				}
			},
			func(f Finding) bool {
				return len(f.Violations) > 0 && strings.Contains(f.String(), "not linearizable: p.r0-0; see ") && strings.Contains(f.String(), "client 1 swap")
			},
		},
		"reads what is old": {
			func(m *memory) { m.stale = true },
			func(f Finding) bool { return len(f.Violations) > 0 },
		},
	} {
		m := newMemory()
		c.spoil(m)
		if f, _ := check(t, m); f.OK() || !c.sees(f) {
			t.Errorf("%s: %s", name, f)
		}
	}
}

func TestTimes(t *testing.T) {
	var all []time.Duration
	for i := range 200 {
		all = append(all, time.Duration(200-i)*time.Second)
	}
	if got := times(all); got != (Times{P50: 100_000, P99: 198_000, Max: 200_000}) {
		t.Errorf("got %+v", got)
	}
	if got := times(nil); got != (Times{}) {
		t.Errorf("got %+v", got)
	}
}

package probe

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"

	"workbench/cluster/event"
)

// sample is a probe and when it was emitted.
type sample struct {
	event.Probe
	at time.Time
}

// pulse runs the probes against a cluster in a bubble.
type pulse struct {
	*cluster
	stop func()

	mu      sync.Mutex
	samples []sample
}

// inBubble starts the probes of a healthy cluster and runs test beside them. It
// uses one processor: with more, the race detector of Go 1.26 crashes now and
// then, in its own code, while timers of a bubble run.
func inBubble(t *testing.T, test func(t *testing.T, p *pulse)) {
	processors := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(processors)
	synctest.Test(t, func(t *testing.T) {
		p := &pulse{cluster: newCluster(t)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Run(ctx, Config{REST: p.rest(), Emit: p.emit, Batch: 1}) }()
		p.stop = sync.OnceFunc(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		defer p.stop()
		synctest.Wait()
		test(t, p)
	})
}

func (p *pulse) emit(b event.Body) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.samples = append(p.samples, sample{b.(event.Probe), time.Now()})
}

// during lets time pass in a state and returns the samples of each target.
func (p *pulse) during(s state, d time.Duration) map[string][]sample {
	p.become(s)
	p.mu.Lock()
	p.samples = nil
	p.mu.Unlock()
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	of := map[string][]sample{}
	for _, s := range p.samples {
		of[s.Target] = append(of[s.Target], s)
	}
	return of
}

func TestHealthy(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pulse) {
		for target, samples := range p.during(healthy, 10*time.Second) {
			if n := len(samples); n != 40 {
				t.Errorf("%s: %d samples in 10 s", target, n)
			}
			for _, s := range samples {
				if !s.OK || s.Error != "" {
					t.Errorf("%s failed: %s", target, s.Error)
				}
			}
		}
		p.stop()
		if n := p.dialCount(); n != 2 {
			t.Errorf("dialed %d times", n)
		}
		written := map[string]bool{}
		for _, beat := range p.beats {
			written[beat] = true
		}
		if len(written) != len(p.beats) || len(written) < 39 {
			t.Errorf("%d beats, %d of them new", len(p.beats), len(written))
		}
		for _, query := range p.reads {
			if strings.Contains(query, "resourceVersion") {
				t.Errorf("read from a cache: %s", query)
			}
		}
	})
}

func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		state state
		err   string
		n     int // samples per target in 6 s
	}{
		"refused":    {refusing, "connection refused", 24},
		"hanging":    {hanging, "no answer within 1s", 6},
		"overloaded": {overloaded, "503 etcd has no leader", 24},
		"closing":    {closing, "connection closed", 24},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, p *pulse) {
				p.during(healthy, time.Second)
				if c.state == refusing {
					p.server.SetKeepAlivesEnabled(false) // the connections of before are gone too
					p.during(healthy, time.Second)
				}
				failing := p.during(c.state, 6*time.Second)
				for _, target := range []string{Read, Write} {
					samples := failing[target]
					if n := len(samples); n < c.n-2 || n > c.n {
						t.Errorf("%s: %d samples, want %d", target, n, c.n)
					}
					for _, s := range samples {
						if s.OK || s.Error != c.err {
							t.Errorf("%s: ok %t, error %q, want %q", target, s.OK, s.Error, c.err)
						}
						if c.state == hanging && s.Latency != time.Second {
							t.Errorf("%s: gave up after %s", target, s.Latency)
						}
					}
				}
				dials := p.dialCount()
				began := time.Now()
				recovered := p.during(healthy, 2*time.Second)
				for _, target := range []string{Read, Write} {
					var first sample
					for _, s := range recovered[target] {
						if s.OK {
							first = s
							break
						}
					}
					if took := first.at.Sub(began); first.at.IsZero() || took > time.Second+DefaultInterval {
						t.Errorf("%s: recovered after %s", target, took)
					}
				}
				p.stop()
				if p.dialCount() == dials && c.state == hanging {
					t.Error("kept a connection on which nobody answered")
				}
			})
		})
	}
}

// Without a quorum for writes, the read goes on at its own pace.
func TestTargetsAreIndependent(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pulse) {
		p.during(healthy, time.Second)
		samples := p.during(hangingWrites, 5*time.Second)
		for _, s := range samples[Read] {
			if !s.OK {
				t.Errorf("the read failed: %s", s.Error)
			}
		}
		if n := len(samples[Read]); n != 20 {
			t.Errorf("%d reads in 5 s", n)
		}
		for _, s := range samples[Write] {
			if s.OK {
				t.Error("the write succeeded")
			}
		}
	})
}

func TestStopsInFlight(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pulse) {
		p.during(hanging, 2500*time.Millisecond)
		p.mu.Lock()
		before := len(p.samples)
		p.mu.Unlock()
		p.stop()
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.samples) != before {
			t.Error("the end of the probes is reported as a failure")
		}
	})
}

func TestReason(t *testing.T) {
	for want, err := range map[string]error{
		"no answer within 1s":          fmt.Errorf("get: %w", context.DeadlineExceeded),
		"x509: unknown authority":      errors.New("x509: unknown authority"),
		strings.Repeat("é", 48) + "…":  errors.New(strings.Repeat("é", 80)),
		strings.Repeat("a", 97) + "…":  errors.New(strings.Repeat("a", 101)),
		strings.Repeat("a", maxReason): errors.New(strings.Repeat("a", maxReason)),
	} {
		if got := reason(err, time.Second); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestConfigIsRefused(t *testing.T) {
	emit := func(event.Body) {}
	for name, c := range map[string]Config{
		"nothing":  {},
		"no emit":  {REST: &rest.Config{}},
		"interval": {REST: &rest.Config{}, Emit: emit, Interval: -1},
		"trust":    {REST: &rest.Config{Host: "https://x", TLSClientConfig: rest.TLSClientConfig{CAData: []byte("x")}}, Emit: emit},
	} {
		if err := Run(t.Context(), c); err == nil {
			t.Errorf("%s: ran", name)
		}
	}
}

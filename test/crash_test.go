package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// seed of the random instants; a failed run is repeated with $WORKBENCH_SEED.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if text := os.Getenv("WORKBENCH_SEED"); text != "" {
		var err error
		if s, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("WORKBENCH_SEED: %v", err)
		}
	}
	t.Logf("WORKBENCH_SEED=%d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// Bounds of an instant of the boot: that many events, and some time more.
const (
	bootEvents = 160
	subStep    = 300 * time.Millisecond
)

// reach waits until that many events of this boot were seen, or it is over,
// and then for a while, so that instants lie within steps as well.
func reach(lab *harness.Lab, p *harness.Process, events int, more time.Duration) {
	if events > 0 {
		select {
		case <-p.Ready():
			start := lab.World().Seq
			lab.Follow(start, func(e event.Event) bool {
				phase, ok := e.Body.(event.LabPhase)
				return e.Seq >= start+uint64(events) || ok && phase.Phase == event.Running
			})
		case <-p.Done():
		}
	}
	pause(p, more)
}

// pause waits for a while, or for the end of the process.
func pause(p *harness.Process, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.Done():
	}
}

// crashes is how many instants a test tries.
func crashes(many, few int) int {
	if testing.Short() {
		return few
	}
	return many
}

// TestSupervisorCrash kills the supervisor at random instants of the boot.
// Each time the kernel has to take everything else down, and in the end the
// lab still boots.
func TestSupervisorCrash(t *testing.T) {
	t.Parallel()
	random := seed(t)
	lab := harness.Up(t, harness.Opts{ControlPlanes: 1, Workers: 1})
	lab.Kubectl("create", "configmap", "kept")
	lab.Down()
	for i := range crashes(20, 3) {
		events, more := random.IntN(bootEvents), time.Duration(random.Int64N(int64(subStep)))
		fresh := random.IntN(4) == 0 // the image store has to be made again
		t.Run(fmt.Sprintf("%02d-after-%d-events-and-%v", i, events, more.Round(time.Millisecond)), func(t *testing.T) {
			sub := lab.With(t)
			if fresh {
				if err := os.RemoveAll(sub.Images()); err != nil {
					t.Fatal(err)
				}
			}
			p := sub.Supervise()
			reach(sub, p, events, more)
			p.Signal(syscall.SIGKILL)
			if out, code := sub.AwaitExit(p); code != -1 {
				t.Errorf("the supervisor ended by itself with code %d:\n%s", code, out)
			}
			sub.AssertNothingRuns()
		})
	}
	lab.Boot()
	if out := lab.Kubectl("get", "configmap", "kept", "-o", "name"); !strings.Contains(out, "kept") {
		t.Errorf("an object of before the crashes is gone: %q", out)
	}
	testNoDebris(t, lab)
	lab.Down()
}

// testNoDebris looks for unfinished files of killed supervisors.
func testNoDebris(t *testing.T, lab *harness.Lab) {
	t.Helper()
	for _, pattern := range []string{lab.Images() + "/.*", lab.Images() + "/*.tmp*", lab.Programs() + "/.new-*", lab.Dir() + "/.*", lab.PKI() + "/.*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			t.Errorf("left by a killed supervisor: %s", file)
		}
	}
}

// TestLabInitCrash kills lab init: the supervisor has to say so and end.
func TestLabInitCrash(t *testing.T) {
	t.Parallel()
	random := seed(t)
	lab := harness.Up(t, harness.Opts{ControlPlanes: 1, Workers: 1})
	lab.Down()
	for i := range crashes(4, 2) {
		// The fabric comes with the first events; the last round hits a lab that runs.
		events, more := 10+random.IntN(bootEvents-10), time.Duration(random.Int64N(int64(subStep)))
		if i == 0 {
			events = 10_000
		}
		t.Run(fmt.Sprintf("%02d-after-%d-events-and-%v", i, events, more.Round(time.Millisecond)), func(t *testing.T) {
			sub := lab.With(t)
			p := sub.Supervise()
			<-p.Ready()
			sub.Await("lab init", func(w *state.World) bool {
				return slices.ContainsFunc(w.Steps, func(s state.Step) bool { return s.ID == "fabric" && s.Done })
			})
			reach(sub, p, events, more)
			last := sub.World().Seq
			failed := make(chan bool, 1)
			go func() {
				failed <- sub.Follow(last, func(e event.Event) bool {
					phase, ok := e.Body.(event.LabPhase)
					return ok && phase.Phase == event.Failed && strings.Contains(phase.Detail, "lab init died")
				})
			}()
			killed := time.Now()
			sub.Kill(sub.Init(p.PID()))
			out, code := sub.AwaitExit(p)
			if code <= 0 || !strings.Contains(out, "lab init died") {
				t.Errorf("the supervisor ended with code %d, want it to say that lab init died:\n%s", code, out)
			}
			if took := time.Since(killed); took > slack {
				t.Errorf("the supervisor ended %v after lab init", took)
			}
			if !<-failed {
				t.Error("the journal does not say that the lab failed")
			}
			sub.AssertClean()
		})
	}
	lab.Boot()
	lab.Down()
}

// TestInterruptedUp presses Ctrl-C while the lab boots: in steps of the boot,
// and at random instants of its first half second.
func TestInterruptedUp(t *testing.T) {
	t.Parallel()
	const early = 500 * time.Millisecond
	random := seed(t)
	for range crashes(4, 1) {
		delay := time.Duration(random.Int64N(int64(early)))
		interrupt(t, "After-"+delay.Round(time.Millisecond).String(), []string{"--detach"}, func(_ *harness.Lab, p *harness.Process) {
			pause(p, delay)
		})
	}
	interrupt(t, "WithTheSupervisor", []string{"--detach"}, func(lab *harness.Lab, p *harness.Process) {
		lab.AwaitFile(p, lab.Lock()) // it has just begun
	})
	for _, c := range []struct {
		name, at string
		args     []string
	}{
		{"WithTheFirstNode", "Start node", []string{"--detach"}},
		{"WithEtcd", "c1/etcd", []string{"--plain"}},
		{"WithTheAPI", "Start kube-apiserver", nil},
		{"WithTheKubelet", "Start kubelet", []string{"--detach"}},
	} {
		interrupt(t, c.name, c.args, func(lab *harness.Lab, p *harness.Process) { lab.AwaitOutput(p, c.at) })
	}
}

// interrupt begins a boot and sends SIGINT when reached returns.
func interrupt(t *testing.T, name string, args []string, reached func(*harness.Lab, *harness.Process)) {
	t.Run(name, func(t *testing.T) {
		lab := harness.New(t, harness.Opts{ControlPlanes: 1, Workers: 1})
		p := lab.Begin(append([]string{"up", "--control-planes", "1", "--workers", "1"}, args...)...)
		reached(lab, p)
		p.Signal(syscall.SIGINT)
		if out, code := lab.AwaitExit(p); code == 0 {
			t.Errorf("an interrupted up ends with code 0:\n%s", out)
		}
		lab.AssertClean()
	})
}

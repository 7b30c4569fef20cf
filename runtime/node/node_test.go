package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
)

func TestNodeIsItsOwnMachine(t *testing.T) {
	r := bootNode(t)
	r.start(script("look", `
		echo host $(hostname)
		echo init $(cat /proc/1/comm)
		echo forward $(cat /proc/sys/net/ipv4/ip_forward)
		echo me $$
		exec sleep 1000000`))
	r.start(script("later", "exec sleep 1000000"))
	awaitLog(r, "look", "me ")
	log := r.log("look")
	for _, want := range []string{"host n1\n", "forward 1\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("inside the node: want %q in\n%s", want, log)
		}
	}
	if host, err := os.Hostname(); err != nil || host == "n1" {
		t.Errorf("this machine is called %s now, %v", host, err)
	}
}

// awaitLog waits with the node's usage samples until a log has a text.
func awaitLog(r *rig, name, text string) {
	r.t.Helper()
	awaitBody(r, fmt.Sprintf("%q in the log of %s", text, name), func(event.ComponentUsage) bool {
		raw, err := os.ReadFile(filepath.Join(r.dir, "var/log", name+".log"))
		return err == nil && strings.Contains(string(raw), text)
	})
}

func TestKillHoldsAComponentDown(t *testing.T) {
	r, ctx := bootNode(t), t.Context()
	first := r.start(script("sleep", "exec sleep 1000000"))
	if first.PID <= 1 || first.Restarts != 0 || first.Node != "n1" {
		t.Errorf("ready as %+v", first)
	}
	if err := r.KillComponent(ctx, "sleep", "killed by a test"); err != nil {
		t.Fatal(err)
	}
	down := r.await("sleep", event.ComponentStopped)
	if down.Signal != "killed" || down.ExitCode != -1 || down.Cause != "killed by a test" || down.PID != 0 {
		t.Errorf("stopped as %+v", down)
	}
	for what, err := range map[string]error{
		"kill":    r.KillComponent(ctx, "sleep", ""),
		"restart": r.RestartComponent(ctx, "sleep", ""),
		"pause":   r.PauseComponent(ctx, "sleep", ""),
	} {
		if err == nil || !strings.Contains(err.Error(), "not running") || !strings.Contains(err.Error(), "n1") {
			t.Errorf("%s of a component that is down: %v", what, err)
		}
	}
	if err := r.Release(ctx, "sleep"); err != nil {
		t.Fatal(err)
	}
	again := r.await("sleep", event.ComponentReady)
	if again.PID == first.PID || again.Restarts != 0 {
		t.Errorf("released as %+v", again)
	}
	if err := r.Release(ctx, "sleep"); err == nil || !strings.Contains(err.Error(), "running already") {
		t.Errorf("release of a component that runs: %v", err)
	}
	if err := r.Release(ctx, "nothing"); err == nil || !strings.Contains(err.Error(), "no component nothing") || !strings.Contains(err.Error(), "sleep") {
		t.Errorf("release of a component that is not there: %v", err)
	}
}

func TestCrashIsRestartedWithBackoff(t *testing.T) {
	r := bootNode(t)
	if err := r.Start(t.Context(), script("crash", "echo first; echo why it ends; exit 3")); err != nil {
		t.Fatal(err)
	}
	var last time.Duration
	for restarts := 1; restarts <= 3; restarts++ {
		e := r.await("crash", event.ComponentExited)
		if e.ExitCode != 3 || e.Signal != "" || e.Cause != "why it ends" || e.Restarts != restarts {
			t.Errorf("crash %d is told as %+v", restarts, e)
		}
		if want := max(backoffFirst, 2*last); e.Backoff != want {
			t.Errorf("backoff %v after crash %d, want %v", e.Backoff, restarts, want)
		}
		last = e.Backoff
	}
	if err := r.KillComponent(t.Context(), "crash", "held"); err != nil {
		t.Fatal(err)
	}
	if e := r.await("crash", event.ComponentStopped); e.Cause != "held" {
		t.Errorf("held in its backoff as %+v", e)
	}
	if err := r.Start(t.Context(), Component{Name: "absent", Path: "/absent/program", Log: "/var/log/absent.log"}); err == nil || !strings.Contains(err.Error(), "/absent/program") {
		t.Errorf("a program that is not there: %v", err)
	}
}

func TestRestartAndPause(t *testing.T) {
	r, ctx := bootNode(t), t.Context()
	first := r.start(script("sleep", "exec sleep 1000000"))
	if err := r.RestartComponent(ctx, "sleep", "restarted by a test"); err != nil {
		t.Fatal(err)
	}
	end := r.await("sleep", event.ComponentExited)
	if end.Signal != "terminated" || end.Cause != "restarted by a test" || end.Restarts != 1 {
		t.Errorf("ended as %+v", end)
	}
	second := r.await("sleep", event.ComponentReady)
	if second.PID == first.PID || second.Restarts != 1 {
		t.Errorf("restarted as %+v, was %+v", second, first)
	}
	if err := r.ResumeComponent(ctx, "sleep", ""); err == nil || !strings.Contains(err.Error(), "not paused") {
		t.Errorf("resume of what is not paused: %v", err)
	}
	if err := r.PauseComponent(ctx, "sleep", "paused by a test"); err != nil {
		t.Fatal(err)
	}
	if e := r.await("sleep", event.ComponentPaused); e.PID != second.PID || e.Cause != "paused by a test" {
		t.Errorf("paused as %+v", e)
	}
	if err := r.PauseComponent(ctx, "sleep", ""); err == nil || !strings.Contains(err.Error(), "paused already") {
		t.Errorf("pause of what is paused: %v", err)
	}
	if err := r.Reassert(ctx); err != nil {
		t.Error(err)
	}
	if err := r.ResumeComponent(ctx, "sleep", "resumed by a test"); err != nil {
		t.Fatal(err)
	}
	if e := r.await("sleep", event.ComponentReady); e.PID != second.PID {
		t.Errorf("resumed as %+v", e)
	}
	// A paused process does not hear SIGTERM, but a restart still works.
	if err := errors.Join(r.PauseComponent(ctx, "sleep", ""), r.RestartComponent(ctx, "sleep", "again")); err != nil {
		t.Fatal(err)
	}
	if e := r.await("sleep", event.ComponentReady); e.Restarts != 2 {
		t.Errorf("restarted from its pause as %+v", e)
	}
}

func TestProbe(t *testing.T) {
	r := bootNode(t)
	once := Component{
		Name: "once", Path: "/opt/test/" + onceRole, Log: "/var/log/once.log",
		Ready: &Probe{Kind: "unix", Target: "/run/once.sock"},
	}
	if e := r.start(once); e.Took <= 0 {
		t.Errorf("ready after %v", e.Took)
	}
	if e := r.await("once", event.ComponentUnready); !strings.Contains(e.Cause, "unix /run/once.sock") {
		t.Errorf("not ready any more because %q", e.Cause)
	}
}

// TestTap holds that a component's own events pass through, with their own
// time, and that nothing else does.
func TestTap(t *testing.T) {
	r := bootNode(t)
	r.start(Component{Name: "tap", Path: "/opt/test/" + tapRole, Log: "/var/log/tap.log"})
	for range 2 {
		awaitBody(r, "the event", func(l event.RaftLog) bool { return l.Text == "told through the pipe" })
		r.seen.mu.Lock()
		at := r.seen.events[r.after-1].Time
		r.seen.mu.Unlock()
		if !at.Equal(time.Unix(1000, 0)) {
			t.Errorf("the event has the time %v, want that of its source", at)
		}
	}
}

// TestOrphansAreReaped makes orphans inside the node and looks for zombies.
func TestOrphansAreReaped(t *testing.T) {
	r := bootNode(t)
	if err := r.Start(t.Context(), script("parent", `
		for i in 1 2 3 4 5; do (true & ) ; done
		tries=0
		while [ $tries -lt 100 ]; do
			zombies=0
			for s in /proc/[0-9]*/stat; do
				read -r pid name state rest < $s && [ "$state" = Z ] && zombies=$((zombies+1))
			done 2>/dev/null
			[ $zombies = 0 ] && exit 7
			tries=$((tries+1)); sleep 0.1
		done
		exit 8`)); err != nil {
		t.Fatal(err)
	}
	if e := r.await("parent", event.ComponentExited); e.ExitCode != 7 {
		t.Errorf("exit code %d: orphans stay zombies (%s)", e.ExitCode, r.log("parent"))
	}
}

func TestUsageSamples(t *testing.T) {
	r := bootNode(t)
	r.start(script("busy", "sleep 1000000 & while true; do :; done"))
	var before time.Duration
	awaitBody(r, "samples in which the component works", func(u event.ComponentUsage) bool {
		busy := u.Components["busy"]
		grown := before > 0 && busy.CPU > before
		before = busy.CPU
		return u.Node == "n1" && grown && busy.MemoryBytes > 0 && u.Pods.MemoryBytes > 0
	})
}

// inside are the host's PIDs of the processes in the node, without its init.
func (r *rig) inside() []int {
	r.t.Helper()
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", r.PID))
	if err != nil {
		r.t.Fatal(err)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		r.t.Fatal(err)
	}
	var pids []int
	for _, dir := range dirs {
		if to, err := os.Readlink(dir + "/ns/pid"); err != nil || to != ns {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && pid != r.PID {
			pids = append(pids, pid)
		}
	}
	return pids
}

// running says whether a process is there and not a zombie.
func running(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(raw), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// TestKillEndsEverything holds that when Kill returns, nothing of the node
// runs: the next start of the node may rely on it.
func TestKillEndsEverything(t *testing.T) {
	r := bootNode(t)
	r.start(script("family", "for i in $(seq 20); do sleep 1000000 & done; exec sleep 1000000"))
	r.start(script("other", "exec sleep 1000000"))
	pids := r.inside()
	if len(pids) < 2 {
		t.Fatalf("processes %v are in the node", pids)
	}
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if running(pid) {
			t.Errorf("process %d runs on after the node was killed", pid)
		}
	}
	select {
	case <-r.Gone():
	default:
		t.Error("Gone is open")
	}
	if err := r.Release(t.Context(), "other"); !errors.Is(err, ErrGone) {
		t.Errorf("a request to a dead node: %v", err)
	}
	if err := r.Kill(); err != nil {
		t.Errorf("killing twice: %v", err)
	}
}

// TestShutdownStopsInOrder holds that what was started first is stopped last,
// and that what does not stop in its grace is killed.
func TestShutdownStopsInOrder(t *testing.T) {
	r := bootNode(t)
	polite := "trap 'echo stopped $(cat /proc/uptime); exit 0' TERM; echo armed; while true; do sleep 0.05; done"
	r.start(script("first", polite))
	r.start(script("second", polite))
	stubborn := script("stubborn", "trap '' TERM; echo armed; while true; do sleep 1; done")
	stubborn.Grace = 300 * time.Millisecond
	r.start(stubborn)
	for _, name := range []string{"first", "second", "stubborn"} {
		awaitLog(r, name, "armed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	<-r.Gone()
	if first, second := stoppedAt(t, r.log("first")), stoppedAt(t, r.log("second")); first < second {
		t.Errorf("the first stopped at %v, before the second at %v", first, second)
	}
	if e := r.await("stubborn", event.ComponentStopped); e.Signal != "killed" {
		t.Errorf("what hears no SIGTERM ended as %+v", e)
	}
}

// TestShutdownLetsTheRestEnd holds that what no component is waiting for, as
// containers are, hears of a shutdown and has time to end.
func TestShutdownLetsTheRestEnd(t *testing.T) {
	r := bootNode(t)
	const orphan = `sh -c 'trap "sleep 0.3; echo ended in order; exit 0" TERM; echo armed; while true; do sleep 0.05; done' & echo started`
	if err := r.Start(t.Context(), script("orphan", orphan+"; exec sleep 1000000")); err != nil {
		t.Fatal(err)
	}
	awaitLog(r, "orphan", "armed")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	<-r.Gone()
	if log := r.log("orphan"); !strings.Contains(log, "ended in order") {
		t.Errorf("the orphan of a component said %q", log)
	}
}

func stoppedAt(t *testing.T, log string) float64 {
	t.Helper()
	var at float64
	if _, err := fmt.Sscanf(log, "armed\nstopped %f", &at); err != nil {
		t.Fatalf("log %q: %v", log, err)
	}
	return at
}

func TestConfigureRefuses(t *testing.T) {
	r := boot(t)
	c := r.config()
	c.Sysctls = map[string]string{"net/ipv4/ip_forward": "nonsense"}
	if err := r.Configure(t.Context(), c); err == nil || !strings.Contains(err.Error(), "net.ipv4.ip_forward") || !strings.Contains(err.Error(), "n1") {
		t.Errorf("a sysctl that cannot be: %v", err)
	}
}

func TestEndOfAnInit(t *testing.T) {
	r := bootNode(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user left")
	cancel(why)
	if err := r.Start(ctx, script("sleep", "exec sleep 1000000")); !errors.Is(err, why) {
		t.Errorf("a request whose caller left: %v", err)
	}
	if err := r.lab.Close(); err != nil {
		t.Fatal(err)
	}
	<-r.Gone()
}

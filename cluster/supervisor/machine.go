package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/plan"
	"workbench/cluster/state"
	"workbench/runtime/cgroup"
	"workbench/runtime/mount"
	"workbench/runtime/node"
)

// machine is a running node.
type machine struct {
	handle *node.Handle
	group  *cgroup.Group
	paused bool // guarded by Supervisor.mu, as are connected, settled, leaving and end
	// connected says that it is on the fabric.
	connected bool
	// settled says that its components have been started.
	settled bool
	// leaving says that it is being shut down.
	leaving bool
	// end is why a user ended it: set before the end, so that it is told
	// apart from a death of its own.
	end event.NodeState
	// What faults have in force on it; guarded by faults.turn.
	limits     cgroup.Limits
	components map[string]fault.ComponentCondition
	gone       []string // images
}

// sampleEvery is the interval of usage samples of a node.
const sampleEvery = 5 * time.Second

// machine is the running node of that name.
func (s *Supervisor) machine(name string) (*machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.nodes[name]; m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("node %s is not running; start it with: workbench node start %s", name, name)
}

// startNode makes the node's namespaces and its init, and connects it.
func (s *Supervisor) startNode(ctx context.Context, n plan.Node, cause string) error {
	s.rec.Emit(event.NodeState{Node: n.Name, State: event.NodeStarting, Cause: cause})
	limits := cgroup.Limits{CPUs: float64(n.CPUs), MemoryBytes: int64(n.Memory)}
	group, err := cgroup.Create(s.place.Group(), n.Name, limits)
	if err != nil {
		return err
	}
	conn, err := s.lab.Node(n.Name, s.place.InitLog(n.Name))
	if err != nil {
		return err
	}
	handle, err := node.Accept(n.Name, conn, func(e event.Event) {
		s.rec.Record(e)
		if c, ok := e.Body.(event.ComponentState); ok && c.State == event.ComponentStarted {
			s.faults.poke() // a new process is not frozen yet
		}
		s.followContainerd(e.Body)
		s.followRemovals(e.Body)
	})
	if err != nil {
		return err
	}
	m := &machine{handle: handle, group: group, limits: limits, components: s.asStarted(n)}
	s.mu.Lock()
	s.nodes[n.Name] = m
	s.mu.Unlock()
	s.sources.Go(func() { s.watchEnd(n.Name, m) })
	if err := s.setUp(ctx, n, m); err != nil {
		// Half a node must not pass for one that runs.
		s.mu.Lock()
		m.end = event.NodeState{Node: n.Name, State: event.NodeKilled, Cause: "not set up: " + err.Error()}
		s.mu.Unlock()
		return errors.Join(err, handle.Kill())
	}
	s.rec.Emit(event.NodeState{Node: n.Name, State: event.NodeRunning, PID: handle.PID, Cause: cause})
	s.observeProxy(n, m)
	s.observeMetrics(n, m)
	return nil
}

// setUp makes a node of a new init.
func (s *Supervisor) setUp(ctx context.Context, n plan.Node, m *machine) error {
	if err := m.group.Add(m.handle.PID); err != nil {
		return err
	}
	if err := s.fabric.Attach(n.Name, m.handle.PID, n.Address); err != nil {
		return err
	}
	cfg, err := s.nodeConfig(n)
	if err != nil {
		return err
	}
	if err := m.handle.Configure(ctx, cfg); err != nil {
		return err
	}
	if err := s.reconcileNodeDisk(n.Name, m, s.faults.desired().Node(n.Name)); err != nil {
		return err
	}
	if err := s.connect(n.Name, m); err != nil {
		return err
	}
	// Its links are as bad as before from the first packet on.
	if err := s.links.open(n.Name, "eth0", m.handle.PID); err != nil {
		return err
	}
	return s.links.apply(s.faults.desired())[n.Name]
}

func (s *Supervisor) nodeConfig(n plan.Node) (node.Config, error) {
	hierarchies, err := cgroup.Hierarchies()
	if err != nil {
		return node.Config{}, err
	}
	cfg := node.Config{
		Name: n.Name, Sysctls: n.Sysctls, Sample: sampleEvery, LeafInit: hierarchies[0].V2,
		Root: mount.Root{Dir: s.place.Root(n.Name), Binds: []mount.Bind{
			{Source: s.place.Bin(), Target: plan.BinDir},
			{Source: s.place.CNI(), Target: plan.CNIDir},
		}, Disk: s.mountDisk(n.Name)},
	}
	if n.ControlPlane && s.cloud != nil {
		cfg.Root.Binds = append(cfg.Root.Binds, mount.Bind{Source: s.place.Cloud(), Target: plan.CloudDir})
	}
	// Parts of /etc that are too many files to copy.
	for _, dir := range []string{"/etc/ssl", "/etc/ca-certificates", "/etc/pki", "/etc/alternatives", "/etc/ld.so.conf.d"} {
		if _, err := os.Stat(dir); err == nil {
			cfg.Root.Binds = append(cfg.Root.Binds, mount.Bind{Source: dir, Target: dir})
		}
	}
	for _, h := range hierarchies {
		cfg.Root.Cgroups = append(cfg.Root.Cgroups, mount.Cgroup{Target: h.Mount, Options: h.Options, V2: h.V2})
	}
	return cfg, nil
}

// watchEnd records the end of a node and cleans up after it.
func (s *Supervisor) watchEnd(name string, m *machine) {
	<-m.handle.Gone()
	if err := s.links.shut(name, m.handle.PID); err != nil {
		s.log.Warn("let go of links", "node", name, "cause", err)
	}
	s.mu.Lock()
	end := m.end
	if s.nodes[name] == m {
		delete(s.nodes, name)
	}
	s.mu.Unlock()
	if s.background.Err() != nil {
		return // all of the lab ends; stop removes the groups
	}
	if end.State == "" {
		end = event.NodeState{Node: name, State: event.NodeKilled, Cause: "its init died: " + lastLine(s.place.InitLog(name))}
	}
	s.rec.Emit(end)
	s.faults.poke() // what links it had are no more
	if err := m.group.Remove(); err != nil {
		s.log.Warn("remove control group", "node", name, "cause", err)
	}
}

func lastLine(file string) string {
	raw, err := os.ReadFile(file)
	if err != nil || len(raw) == 0 {
		return "no message"
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return lines[len(lines)-1]
}

// killNode is power loss.
func (s *Supervisor) killNode(name string) error {
	m, err := s.machine(name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	m.end = event.NodeState{Node: name, State: event.NodeKilled, Cause: "killed by a user"}
	s.mu.Unlock()
	return m.handle.Kill()
}

// shutdownTimeout bounds an orderly stop; then it is power loss.
const shutdownTimeout = 10 * time.Second

// stopNode stops what runs on the node in order, and the node.
func (s *Supervisor) stopNode(ctx context.Context, name string, m *machine) error {
	if err := s.refusePaused(name, m); err != nil {
		return err
	}
	s.stopping(name, m)
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	return errors.Join(m.handle.Shutdown(ctx), m.handle.Kill())
}

// startAgain boots a node that was killed or stopped.
func (s *Supervisor) startAgain(ctx context.Context, name string) error {
	n, err := s.planned(name)
	if err != nil {
		return err
	}
	release, err := s.claim(name)
	if err != nil {
		return err
	}
	defer release()
	if err := s.makeRoot(ctx, n); err != nil {
		return err
	}
	var steps []plan.Step
	for _, step := range s.current().Steps {
		if step.Node == name && (step.Kind == plan.StepNode || step.Kind == plan.StepComponent) {
			steps = append(steps, step)
		}
	}
	if err := s.startNode(ctx, n, "started by a user"); err != nil {
		return err
	}
	// Its components come up in their order; whether they become ready
	// depends on the rest of the cluster and is not this request's matter.
	s.sources.Go(func() {
		if err := execute(s.background, steps[1:], func(event.Body) {}, s.step); err != nil && s.background.Err() == nil {
			s.log.Warn("start components", "node", name, "cause", err)
		}
		s.settle(name)
	})
	return nil
}

// settle notes that a node's components have been started: from now on faults
// can freeze or kill them.
func (s *Supervisor) settle(name string) {
	s.mu.Lock()
	if m := s.nodes[name]; m != nil {
		m.settled = true
	}
	s.mu.Unlock()
	s.faults.poke()
}

// setPaused notes that a node is paused or resumed, or why it cannot be.
func (s *Supervisor) setPaused(name string, m *machine, paused bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case m.paused != paused:
		m.paused = paused
		return nil
	case paused:
		return fmt.Errorf("node %s is paused already; resume it with: workbench node resume %s", name, name)
	}
	return fmt.Errorf("node %s is not paused", name)
}

// refusePaused is why nothing can be asked of a paused node: its init is frozen
// with the rest and would not answer.
func (s *Supervisor) refusePaused(name string, m *machine) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.paused {
		return fmt.Errorf("node %s is paused; resume it first: workbench node resume %s", name, name)
	}
	return nil
}

// claim lets one request at a time start a node that does not run.
func (s *Supervisor) claim(name string) (release func(), err error) {
	var phase event.Phase
	s.rec.See(func(w *state.World) { phase = w.Phase })
	if phase != event.Running {
		return nil, fmt.Errorf("lab %s is %s; a node can be started when it runs", s.place.Name, phase)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.nodes[name] != nil:
		return nil, fmt.Errorf("node %s is running already", name)
	case s.starting[name]:
		return nil, fmt.Errorf("node %s is starting already", name)
	}
	s.starting[name] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.starting, name)
	}, nil
}

// freezing bounds how long a paused node is awaited: a process that is in a
// system call or waits for a processor stops when that is over.
const freezing = 3 * time.Second

// pauseNode freezes every process of the node, and says so when all of them
// have stopped.
func (s *Supervisor) pauseNode(name string) error {
	m, err := s.machine(name)
	if err != nil {
		return err
	}
	if err := s.setPaused(name, m, true); err != nil {
		return err
	}
	if err := m.group.Signal(m.handle.PID, syscall.SIGSTOP); err != nil {
		return err
	}
	cause := "paused by a user"
	if f := s.await(s.background, freezing, func() (finding, bool) { return verifyFrozen(m) }); f.verdict != event.FaultLanded {
		cause += "; " + f.text
	}
	s.rec.Emit(event.NodeState{Node: name, State: event.NodePaused, PID: m.handle.PID, Cause: cause})
	return nil
}

// resumeNode lets a paused node run on, but not what a user had paused in it.
func (s *Supervisor) resumeNode(ctx context.Context, name string) error {
	m, err := s.machine(name)
	if err != nil {
		return err
	}
	if err := s.setPaused(name, m, false); err != nil {
		return err
	}
	if err := m.group.Signal(m.handle.PID, syscall.SIGCONT); err != nil {
		return err
	}
	s.rec.Emit(event.NodeState{Node: name, State: event.NodeRunning, PID: m.handle.PID, Cause: "resumed by a user"})
	s.sources.Go(func() { s.giveImages(s.background, name) })
	return m.handle.Reassert(ctx)
}

// machineSize is this machine's processors, and its memory in bytes.
func machineSize() (cpus int, memory int64) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return runtime.NumCPU(), 0
	}
	return runtime.NumCPU(), int64(info.Totalram) * int64(info.Unit)
}

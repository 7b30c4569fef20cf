// Package supervisor runs one lab: it executes the plan, owns the journal and
// the API, starts and stops nodes, and keeps the pod network.
//
//	Run: lock -> journal -> API -> boot (plan) -> sources -> wait for Down
//
// Whatever way it ends, the kernel ends the lab with it: lab init dies with
// this process (PDEATHSIG), and every node with lab init.
package supervisor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/cloud"
	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/journal"
	"workbench/cluster/layout"
	"workbench/cluster/plan"
	"workbench/cluster/spec"
	"workbench/cluster/state"
	"workbench/runtime/cgroup"
	"workbench/runtime/fabric"
	"workbench/runtime/image/store"
	"workbench/runtime/memory"
	"workbench/runtime/namespace"
)

// Config of a supervisor.
type Config struct {
	Place    layout.Lab
	Versions plan.Versions
	Log      *slog.Logger
	// Ready is called once the API answers.
	Ready func()
}

// Supervisor runs one lab.
type Supervisor struct {
	place layout.Lab
	log   *slog.Logger
	rec   *recorder

	versions plan.Versions
	planMu   sync.RWMutex // guards what follows
	saved    layout.Saved
	plan     plan.Plan
	// replanned is closed and replaced when nodes were added or removed.
	replanned chan struct{}

	// proxyMode is how kube-proxy writes rules on the workers.
	proxyMode spec.ProxyMode
	tracing   sync.Mutex   // one connection at a time
	operating sync.Mutex   // one operation at a time
	readers   atomic.Int32 // who follow the journal
	// membership is held while a member of etcd is replaced, and for reading while
	// the data of one is damaged.
	membership sync.RWMutex

	listener net.Listener // the API on the host's loopback
	agent    string       // the agent program
	golden   store.Golden
	lab      *namespace.Lab
	labNet   *namespace.Net
	fabric   *fabric.Fabric

	mu       sync.Mutex
	nodes    map[string]*machine
	starting map[string]bool // nodes that a request is starting
	disks    map[string]nodeDisk

	images        images
	registryToken string

	faults *faults
	script runs // the scenario or campaign that runs
	links  *links
	routes routes
	// cloud is what the lab is to its cluster; nil where that has none.
	cloud     *cloud.Cloud
	balancers *balancers
	forwards  forwards
	traces    traces

	background context.Context // ends when the lab goes down
	sources    sync.WaitGroup
	down       context.CancelCauseFunc
}

// errDown is the cause of an orderly end.
var errDown = errors.New("the lab goes down")

// Run runs the lab until it is asked to go down, a signal comes, or lab init
// dies. It leaves nothing behind.
func Run(ctx context.Context, cfg Config) (err error) {
	lock, err := takeLock(cfg.Place)
	if err != nil {
		return err
	}
	defer lock.Close()
	s, err := open(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.rec.Close()) }()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	ctx, s.down = context.WithCancelCause(ctx)
	defer s.down(errDown)
	s.background = ctx

	stopAPI, err := s.serve()
	if err != nil {
		return err
	}
	defer stopAPI()
	if cfg.Ready != nil {
		cfg.Ready()
	}
	err = s.live(ctx)
	return errors.Join(err, s.stop(err))
}

// ErrLocked says that another supervisor runs the lab.
var ErrLocked = errors.New("the lab is running already")

func takeLock(place layout.Lab) (*os.File, error) {
	if err := os.MkdirAll(place.Dir(), 0o700); err != nil {
		return nil, fmt.Errorf("lock lab %s: %w", place.Name, err)
	}
	f, err := os.OpenFile(place.Lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock lab %s: %w", place.Name, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock lab %s: %w", place.Name, ErrLocked), f.Close())
	}
	return f, nil
}

// What bounds a lab's journal, and the keyframes to rewind to, on disk.
const (
	journalBytes = 256 << 20
	historyBytes = 64 << 20
)

// planOf is the plan of a saved lab on this machine.
func planOf(saved layout.Saved, versions plan.Versions) (plan.Plan, error) {
	return plan.New(plan.Config{Lab: saved.Lab, APIPort: saved.APIPort, Versions: versions, CPUs: runtime.NumCPU()})
}

func open(cfg Config) (*Supervisor, error) {
	saved, err := cfg.Place.Load()
	if err != nil {
		return nil, err
	}
	p, err := planOf(saved, cfg.Versions)
	if err != nil {
		return nil, err
	}
	// What a killed supervisor left; its processes are gone with it.
	if err := cgroup.RemoveLab(cfg.Place.Group()); err != nil {
		cfg.Log.Warn("remove old control groups", "cause", err)
	}
	j, err := journal.Open(cfg.Place.Journal(), journal.Options{MaxBytes: journalBytes})
	if err != nil {
		return nil, err
	}
	h, err := history.Open(history.Config{Log: history.OfJournal(j), Dir: cfg.Place.History(), MaxBytes: historyBytes, Logger: cfg.Log})
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	s := &Supervisor{
		place: cfg.Place, log: cfg.Log, versions: cfg.Versions, saved: saved, plan: p, replanned: make(chan struct{}), rec: newRecorder(j, h, cfg.Log), proxyMode: saved.Lab.Spec.Network.ProxyMode,
		nodes: map[string]*machine{}, starting: map[string]bool{}, disks: map[string]nodeDisk{}, faults: newFaults(), registryToken: rand.Text(),
		traces: traces{open: map[string]openTrace{}},
	}
	peers := []peer{{event.Outside, p.Gateway.Addr()}}
	for _, n := range p.Nodes {
		peers = append(peers, peer{n.Name, n.Address})
	}
	s.links = newLinks(peers, s.rec.Emit)
	if err := s.openCloud(); err != nil {
		return nil, errors.Join(err, s.rec.Close())
	}
	return s, nil
}

// serve opens the API on the lab's socket.
func (s *Supervisor) serve() (stop func(), err error) {
	listener, err := api.Listen(s.place.Socket())
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: api.Handler(s, s.rec.history), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("serve API", "cause", err)
		}
	}()
	return func() {
		// Followers get what is journalled before the connection ends.
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-served
		_ = os.Remove(s.place.Socket())
	}, nil
}

// live boots the lab and keeps it until ctx ends or lab init dies.
func (s *Supervisor) live(ctx context.Context) error {
	s.rec.Emit(s.current().Topology)
	s.recall()
	s.sources.Go(func() { s.keepRecoveries(ctx) })
	s.rec.Emit(event.LabPhase{Phase: event.Booting})
	began := time.Now()
	if err := execute(ctx, s.current().Steps, s.rec.Emit, s.step); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		if s.initDied() {
			err = errInitDied
		}
		s.rec.Emit(event.LabPhase{Phase: event.Failed, Detail: err.Error()})
		return fmt.Errorf("boot lab %s: %w", s.place.Name, err)
	}
	for _, n := range s.current().Nodes {
		s.settle(n.Name)
	}
	memory.Settle() // unpacking images, programs and certificates took much that is not needed again
	s.rec.Emit(event.LabPhase{Phase: event.Running, Detail: fmt.Sprintf("all nodes Ready after %.1f s", time.Since(began).Seconds())})
	s.sources.Go(func() { s.beginScene(ctx) })
	select {
	case <-ctx.Done():
		return nil
	case <-s.lab.Exited():
		s.rec.Emit(event.LabPhase{Phase: event.Failed, Detail: errInitDied.Error()})
		return errInitDied
	}
}

var errInitDied = errors.New("lab init died, and with it every node; start the lab again with: workbench up")

// initDiedWithin is how much later than the first of its nodes lab init is seen
// to be gone: the kernel ends all of its processes before it.
const initDiedWithin = time.Second

// initDied tells whether a boot failed because lab init died.
func (s *Supervisor) initDied() bool {
	if s.lab == nil {
		return false
	}
	select {
	case <-s.lab.Exited():
		return true
	case <-time.After(initDiedWithin):
		return false
	}
}

// stop takes the lab down: to the nodes it is power loss, which etcd and
// Kubernetes are made for. Nothing that was acknowledged is lost.
func (s *Supervisor) stop(cause error) error {
	if cause == nil {
		s.rec.Emit(event.LabPhase{Phase: event.Stopping})
	}
	s.down(errDown)
	for _, f := range s.faults.active() {
		s.rec.Emit(event.FaultEnded{ID: f.ID, Cause: "the lab goes down"})
	}
	s.endTraces()
	var errs []error
	if s.lab != nil {
		errs = append(errs, s.lab.Close())
	}
	if s.listener != nil {
		_ = s.listener.Close() // the balancer closes it too
	}
	if s.labNet != nil {
		errs = append(errs, s.labNet.Close())
	}
	errs = append(errs, s.endSources())
	if s.lab != nil {
		errs = append(errs, s.links.shut(event.Outside, s.lab.PID))
	}
	s.mu.Lock()
	running := s.nodes
	s.nodes = map[string]*machine{}
	s.mu.Unlock()
	for _, m := range running {
		<-m.handle.Gone()
	}
	for _, n := range s.current().Nodes {
		errs = append(errs, s.closeDisk(n.Name))
	}
	errs = append(errs, cgroup.RemoveLab(s.place.Group()))
	if cause == nil {
		s.rec.Emit(event.LabPhase{Phase: event.Stopped})
	}
	return errors.Join(errs...)
}

// sourcesEndWithin is how long what observes the lab has to end with it. All of it
// waits for its context; who waits for something else must not keep the lab.
const sourcesEndWithin = 15 * time.Second

// endSources waits for all that observes the lab.
func (s *Supervisor) endSources() error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.sources.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-time.After(sourcesEndWithin):
		stacks := make([]byte, 1<<20)
		s.log.Error("sources do not end", "stacks", string(stacks[:runtime.Stack(stacks, true)]))
		return fmt.Errorf("what observes the lab did not end within %s; %s says what waits", sourcesEndWithin, s.place.Log())
	}
}

// World implements api.Lab.
func (s *Supervisor) World() ([]byte, error) { return s.rec.JSON() }

// Tell implements api.Teller.
func (s *Supervisor) Tell(body event.Body) { s.rec.Emit(body) }

// Reader implements api.Lab.
func (s *Supervisor) Reader(after uint64) api.Reader {
	s.readers.Add(1)
	return &watched{Reader: s.rec.journal.Reader(after), gone: sync.OnceFunc(func() { s.readers.Add(-1) })}
}

// watched is a reader that is counted while it is open.
type watched struct {
	*journal.Reader
	gone func()
}

// Close implements api.Reader.
func (w *watched) Close() error {
	w.gone()
	return w.Reader.Close()
}

// Last implements api.Lab.
func (s *Supervisor) Last() uint64 { return s.rec.journal.Last() }

// Down implements api.Lab.
func (s *Supervisor) Down(cause string) {
	s.log.Info("go down", "cause", cause)
	s.down(errDown)
}

// planned is a node of the plan.
func (s *Supervisor) planned(name string) (plan.Node, error) {
	var names []string
	for _, n := range s.current().Nodes {
		if n.Name == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	return plan.Node{}, fmt.Errorf("no node %q in lab %s; it has %v", name, s.place.Name, names)
}

// nodeReady says whether Kubernetes has the node Ready, by a lease renewed
// since the node (re)started.
func nodeReady(w *state.World, name string) bool {
	n, lease := w.Kube.Nodes[name], w.Kube.NodeLease(name)
	host := w.Nodes[name]
	return n != nil && n.Ready == "True" && lease != nil && host != nil && lease.Renewed.After(host.Since)
}

// linkOrCopy gives a file a second name, or a copy on another file system.
func linkOrCopy(from, to string) error {
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	if err := os.Link(from, to); err == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in)
	return errors.Join(err, out.Close())
}

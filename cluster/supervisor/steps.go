package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"workbench/cluster/event"
	"workbench/cluster/pki"
	"workbench/cluster/plan"
	"workbench/cluster/state"
	"workbench/runtime/fabric"
	"workbench/runtime/image/store"
	"workbench/runtime/namespace"
	"workbench/runtime/programs"
)

// step does one step of the plan.
func (s *Supervisor) step(ctx context.Context, step plan.Step) error {
	switch step.Kind {
	case plan.StepRoots:
		return s.makeRoots(ctx)
	case plan.StepPKI:
		return s.issueCertificates(ctx)
	case plan.StepImages:
		var err error
		s.golden, err = store.Ensure(ctx, store.Config{Dir: s.place.Images(), Log: s.log})
		return err
	case plan.StepFabric:
		return s.startLab()
	case plan.StepAddons:
		return s.installAddons(ctx)
	case plan.StepSettled:
		return s.awaitAddons(ctx)
	}
	n, err := s.planned(step.Node)
	if err != nil {
		return err
	}
	switch step.Kind {
	case plan.StepRoot:
		return s.makeRoot(ctx, n)
	case plan.StepStore:
		_, err := s.golden.Clone(filepath.Join(s.place.Root(n.Name), "var/lib/containerd"))
		return err
	case plan.StepNode:
		return s.startNode(ctx, n, "boot")
	case plan.StepComponent:
		return s.startComponent(ctx, n, step.Component)
	case plan.StepReady:
		return s.awaitNodeReady(ctx, n.Name)
	}
	return fmt.Errorf("unknown kind of step %q", step.Kind)
}

// makeRoots lays out what nodes execute and the directories of their roots.
func (s *Supervisor) makeRoots(ctx context.Context) error {
	dir, err := programs.Install(s.place.Programs())
	if err != nil {
		return err
	}
	s.agent = filepath.Join(s.place.Bin(), programs.Agent)
	if err := s.makeBin(dir); err != nil {
		return fmt.Errorf("lay out programs of nodes: %w", err)
	}
	var all errgroup.Group
	for _, n := range s.current().Nodes {
		all.Go(func() error {
			if err := s.makeRoot(ctx, n); err != nil {
				return fmt.Errorf("lay out root of %s: %w", n.Name, err)
			}
			return nil
		})
	}
	return all.Wait()
}

// makeBin gives nodes the programs under dir, and what they know them by.
func (s *Supervisor) makeBin(dir string) error {
	bin, cni := s.place.Bin(), s.place.CNI()
	var errs []error
	for _, dir := range []string{bin, cni} {
		errs = append(errs, os.RemoveAll(dir), os.MkdirAll(dir, 0o755))
	}
	for _, p := range programs.All() {
		into := bin
		if p.CNI {
			into = cni
		}
		errs = append(errs, linkOrCopy(filepath.Join(dir, p.Name), filepath.Join(into, p.Name)))
		for _, name := range p.Components {
			errs = append(errs, os.Symlink(p.Name, filepath.Join(into, name)))
		}
	}
	return errors.Join(errs...)
}

// rootDirs are made in every node's root.
var rootDirs = []string{
	"etc/kubernetes/manifests", "etc/cni/net.d", "etc/containerd/certs.d", "var/lib/kubelet", "var/lib/etcd",
	"var/lib/containerd", "var/lib/cni", "var/log/pods", "var/log/containers", "opt", "mnt", "srv", "home", "proc", "sys",
	"dev", "run", "tmp", "var/tmp",
}

// copied are the host's own small configuration files that programs look for.
var copied = []string{
	"/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/os-release", "/etc/protocols", "/etc/services",
	"/etc/ethertypes", "/etc/host.conf", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime",
}

func (s *Supervisor) makeRoot(ctx context.Context, n plan.Node) error {
	root, err := os.OpenRoot(mustDir(s.place.Root(n.Name)))
	if err != nil {
		return err
	}
	defer root.Close()
	for _, dir := range rootDirs {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := root.MkdirAll("root", 0o700); err != nil {
		return err
	}
	if !n.ControlPlane {
		if err := root.Chmod("var/lib/containerd", 0o711); err != nil {
			return err
		}
	}
	// /var/run is /run everywhere; programs use both names.
	if err := root.Symlink("/run", "var/run"); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	for _, file := range copied {
		raw, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = replace(root, file, raw, 0o644)
		}
		if err != nil {
			return err
		}
	}
	given := strings.NewReplacer(append(s.placeholders(n), plan.DiskReserve, evictionOf(s.openDisk(ctx, n)))...)
	for path, f := range n.Files {
		content := given.Replace(f.Content)
		if err := replace(root, path, []byte(content), os.FileMode(f.Mode)); err != nil {
			return err
		}
	}
	return nil
}

// mustDir makes a directory whose absence the next call would report.
func mustDir(dir string) string {
	_ = os.MkdirAll(dir, 0o755)
	return dir
}

// replace writes a file inside a node's root; a link there cannot lead it out.
func replace(root *os.Root, path string, content []byte, mode os.FileMode) error {
	path = strings.TrimPrefix(path, "/")
	if err := root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := root.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Chmod(mode), f.Close())
}

func (s *Supervisor) issueCertificates(ctx context.Context) error {
	cfg := pki.Config{
		Dir: s.place.PKI(), ServiceIP: s.current().ServiceIP.String(), Domain: plan.Domain,
		APIServerURL: "https://" + s.current().Topology.APIAddress, Cluster: s.place.Name,
	}
	for _, n := range s.current().Nodes {
		cfg.Nodes = append(cfg.Nodes, pki.Node{
			Name: n.Name, IP: n.Address.String(), ControlPlane: n.ControlPlane, Root: s.place.Root(n.Name),
		})
	}
	return s.withOriginals(func() error { return pki.Ensure(ctx, cfg) })
}

// startLab starts lab init, the fabric, and the host's way to the API.
func (s *Supervisor) startLab() error {
	dir, err := programs.Install(s.place.Programs())
	if err != nil {
		return err
	}
	s.lab, err = namespace.StartLab(filepath.Join(dir, programs.Agent), s.place.Dir()+"/init.log")
	if err != nil {
		return err
	}
	if s.labNet, err = namespace.NetOf(s.lab.PID); err != nil {
		return err
	}
	if s.fabric, err = fabric.New(s.labNet, s.current().Gateway); err != nil {
		return err
	}
	if err := s.links.open(event.Outside, fabric.BridgeName, s.lab.PID); err != nil {
		return err
	}
	if err := s.startCloud(); err != nil {
		return err
	}
	if err := s.startNames(); err != nil {
		return err
	}
	if err := s.serveImages(); err != nil {
		return err
	}
	s.listener, err = net.Listen("tcp", s.current().Topology.APIAddress)
	if err != nil {
		return fmt.Errorf("listen for kubectl on %s: %w; another program has the lab's port: end it, or give the lab another one: workbench up --api-port PORT",
			s.current().Topology.APIAddress, err)
	}
	return s.startSources()
}

// Bounds of how long a component, or a node, may take to become ready. What runs is
// slow: a loaded machine needs many times the usual second or two, an emulated one
// minutes. What exits again and again is broken.
const (
	slowTimeout   = 10 * time.Minute
	brokenTimeout = 2 * time.Minute
	brokenExits   = 3
)

// startComponent starts a component and waits until it is ready.
func (s *Supervisor) startComponent(ctx context.Context, n plan.Node, name string) error {
	m, err := s.machine(n.Name)
	if err != nil {
		return err
	}
	if name == "etcd" && s.damage(n.Name) != "" {
		return s.startDamaged(ctx, n, m)
	}
	c, err := n.Component(name)
	if err != nil {
		return err
	}
	if err := m.handle.Start(ctx, c); err != nil {
		return err
	}
	if err := s.awaitComponent(ctx, n.Name, name, m.handle.PID); err != nil {
		return err
	}
	if name == containerdComponent {
		s.giveImages(ctx, n.Name)
	}
	return nil
}

// startDamaged starts etcd of a node whose member has to be replaced: that is done
// first, unless a fault wants the damage.
func (s *Supervisor) startDamaged(ctx context.Context, n plan.Node, m *machine) error {
	if s.faults.desired().Component(n.Name+"/etcd").Disk != "" {
		if !s.mayStart(ctx, n) {
			return nil
		}
		c, err := n.Component("etcd")
		if err != nil {
			return err
		}
		return m.handle.Start(ctx, c)
	}
	o := &operation{Supervisor: s, tell: func(string) {}}
	o.Verb, o.Target = "etcd.replace", n.Name
	if err := s.rejoin(ctx, n, o.say, true); err != nil {
		return err
	}
	return s.awaitComponent(ctx, n.Name, "etcd", m.handle.PID)
}

// awaitComponent waits until a component of the node with that init is ready.
func (s *Supervisor) awaitComponent(ctx context.Context, node, name string, init int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, slowTimeout, fmt.Errorf("not ready within %v", slowTimeout))
	defer cancel()
	began := time.Now()
	var last event.ComponentState
	err := s.rec.Await(ctx, func(w *state.World) (bool, error) {
		n := w.Nodes[node]
		if n.PID != init {
			return false, fmt.Errorf("node %s is %s: %s", node, n.State, n.Cause)
		}
		c := n.Components[name]
		if c.State == event.ComponentExited {
			last = c.ComponentState
		}
		return c.State == event.ComponentReady, broken(c.ComponentState, began)
	})
	if err != nil && last.Component != "" {
		return fmt.Errorf("start %s on %s: %w; it exited %d times, last with code %d: %s; see: workbench logs %s/%s",
			name, node, err, last.Restarts, last.ExitCode, last.Cause, node, name)
	}
	if err != nil {
		return fmt.Errorf("start %s on %s: %w; see: workbench logs %s/%s", name, node, err, node, name)
	}
	return nil
}

// broken says that a component exits again and again, long after it was first
// started.
func broken(c event.ComponentState, began time.Time) error {
	if c.State == event.ComponentExited && c.Restarts >= brokenExits && time.Since(began) > brokenTimeout {
		return fmt.Errorf("not ready within %v", brokenTimeout)
	}
	return nil
}

func (s *Supervisor) awaitNodeReady(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, slowTimeout, fmt.Errorf("not Ready within %v", slowTimeout))
	defer cancel()
	began := time.Now()
	if err := s.rec.Await(ctx, func(w *state.World) (bool, error) {
		n := w.Nodes[name]
		if n.PID == 0 {
			return false, fmt.Errorf("it is %s: %s", n.State, n.Cause)
		}
		var kubelet event.ComponentState
		if c := n.Components["kubelet"]; c != nil {
			kubelet = c.ComponentState
		}
		return nodeReady(w, name), broken(kubelet, began)
	}); err != nil {
		return fmt.Errorf("wait for node %s: %w; see: workbench kubectl describe node %s", name, err, name)
	}
	return nil
}

// placeholders are what fills those in a node's files: what the machine has beyond
// the node's limits, and the token of its containerd.
func (s *Supervisor) placeholders(n plan.Node) []string {
	cpus, memory := machineSize()
	return []string{
		plan.RegistryToken, s.registryToken,
		plan.ReservedCPU, fmt.Sprintf("%dm", max(0, int64(cpus)*1000-int64(float64(n.CPUs)*1000))),
		plan.ReservedMemory, fmt.Sprintf("%d", max(0, memory-int64(n.Memory))),
	}
}

// prefixOf parses a CIDR that the API gave.
func prefixOf(cidr string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(cidr)
	return p, err == nil && p.Addr().Is4()
}

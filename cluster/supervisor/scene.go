package supervisor

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/member"
	"workbench/cluster/scene"
)

// saveScene keeps the lab as it is now: every process of every node is frozen
// while its files are copied, so that all are of one instant.
func (o *operation) saveScene(ctx context.Context) error {
	if err := scene.CheckName(o.Target); err != nil {
		return err
	}
	if _, err := scene.Open(o.place, o.Target); !errors.Is(err, scene.ErrNone) {
		if err := o.ask("there is a scene of that name, which is replaced"); err != nil {
			return err
		}
	}
	p := o.current()
	about := scene.About{Kubernetes: p.Topology.KubernetesVersion}
	for _, n := range p.Nodes {
		about.Nodes = append(about.Nodes, n.Name)
	}
	o.membership.Lock()
	defer o.membership.Unlock()
	// The cluster's own changes of faults wait meanwhile.
	o.faults.turn.Lock()
	defer o.faults.turn.Unlock()
	for _, f := range o.faults.active() {
		about.Faults = append(about.Faults, f.Text)
	}
	o.say("freeze every process of the lab: files are copied as of one instant, as a loss of power would leave them, which etcd, containerd and kubelets are made for")
	began := time.Now()
	var m scene.Manifest
	var took time.Duration
	err := o.whileFrozen(ctx, func() error {
		about.At = time.Now()
		var err error
		m, err = scene.Save(o.place, o.Target, about, true)
		took = time.Since(began)
		return err
	})
	if err != nil {
		return err
	}
	o.say("scene %s: %s, %s, %s copied, %s of images shared by hard links; the lab stood still for %v",
		m.Name, plural(len(m.Nodes), "node", "nodes"), plural(len(m.Faults), "fault", "faults"), member.Bytes(m.Copied), member.Bytes(m.Linked), took.Round(time.Millisecond))
	return nil
}

// freezeTimeout is how long processes may take to stop: one within a system call
// ends that first.
const freezeTimeout = 5 * time.Second

// whileFrozen does something while no process of the lab runs. Those that were
// frozen before stay so.
func (o *operation) whileFrozen(ctx context.Context, do func() error) (err error) {
	o.mu.Lock()
	var running, all []*machine
	for _, m := range o.nodes {
		all = append(all, m)
		if !m.paused {
			running = append(running, m)
		}
	}
	o.mu.Unlock()
	defer func() {
		for _, m := range running {
			select {
			case <-m.handle.Gone():
				continue
			default:
			}
			err = errors.Join(err, m.group.Signal(m.handle.PID, syscall.SIGCONT), m.handle.Reassert(ctx))
		}
	}()
	for _, m := range running {
		if err := m.group.Signal(m.handle.PID, syscall.SIGSTOP); err != nil {
			return fmt.Errorf("freeze %s: %w", m.handle.Name, err)
		}
	}
	for _, m := range running {
		if f := o.await(ctx, freezeTimeout, func() (finding, bool) { return verifyFrozen(m) }); f.verdict != event.FaultLanded {
			return fmt.Errorf("freeze %s: %s", m.handle.Name, f.text)
		}
	}
	return o.whileStill(all, do)
}

// beginScene brings back the faults of a scene that the lab began with, and says
// that it did.
func (s *Supervisor) beginScene(ctx context.Context) {
	loaded, ok, err := scene.TakeLoaded(s.place)
	if err != nil {
		s.log.Error("begin with a scene", "cause", err)
	}
	if !ok {
		return
	}
	errs := []error{err}
	for _, text := range loaded.Faults {
		if _, err := s.Inject(ctx, api.FaultRequest{Text: text, Owner: "scene " + loaded.Name, Yes: true}); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", text, err))
		}
	}
	a := event.Action{Verb: "scene.load", Target: loaded.Name, Equivalent: "faults: " + orNone(loaded.Faults)}
	if err := errors.Join(errs...); err != nil {
		a.Error = err.Error()
	}
	s.rec.Emit(a)
}

// SaveStopped keeps a lab that does not run as a scene.
func SaveStopped(cfg Config, name string, replace bool) (scene.Manifest, error) {
	lock, err := takeLock(cfg.Place)
	if err != nil {
		return scene.Manifest{}, err
	}
	defer lock.Close()
	saved, err := cfg.Place.Load()
	if err != nil {
		return scene.Manifest{}, err
	}
	about := scene.About{Kubernetes: cfg.Versions.Kubernetes, At: time.Now()}
	for _, n := range saved.Lab.NodeList() {
		about.Nodes = append(about.Nodes, n.Name)
	}
	return scene.Save(cfg.Place, name, about, replace)
}

// LoadStopped makes a scene the data of a lab that does not run.
func LoadStopped(cfg Config, m scene.Manifest) error {
	lock, err := takeLock(cfg.Place)
	if err != nil {
		return err
	}
	defer lock.Close()
	return scene.Load(cfg.Place, m)
}

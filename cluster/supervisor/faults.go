package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/state"
)

// faults is what is broken on purpose, as desired. What makes it true is
// reconcile.
type faults struct {
	// turn is held while processes are made to follow: one change at a time.
	turn sync.Mutex
	wake chan struct{} // something changed; buffered
	// cordon is the same for what goes through the cluster's API, member for what
	// goes through etcd; buffered.
	cordon, member chan struct{}

	mu   sync.Mutex // guards what follows
	set  []activeFault
	last int
	// downed are the nodes that a fault took down: those are started again.
	downed map[string]bool
}

// activeFault is a fault that is on.
type activeFault struct {
	event.FaultInjected
	expires time.Time // zero: never
	stop    context.CancelFunc
	ctx     context.Context //nolint:containedctx // of what goes on only while the fault does
}

func newFaults() *faults {
	return &faults{wake: make(chan struct{}, 1), cordon: make(chan struct{}, 1), member: make(chan struct{}, 1), downed: map[string]bool{}}
}

// poke lets the reconciler look again.
func (f *faults) poke() {
	for _, c := range []chan struct{}{f.wake, f.cordon, f.member} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (f *faults) active() []event.FaultInjected {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []event.FaultInjected
	for _, a := range f.set {
		out = append(out, a.FaultInjected)
	}
	return out
}

func (f *faults) desired() fault.Desired { return fault.Render(f.active()) }

// add takes a fault into the set and gives it its ID.
func (f *faults) add(ctx context.Context, one event.FaultInjected) activeFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	one.ID = fmt.Sprintf("f%d", f.last)
	a := activeFault{FaultInjected: one}
	a.ctx, a.stop = context.WithCancel(ctx)
	if one.Lease > 0 {
		a.expires = time.Now().Add(one.Lease)
	}
	f.set = append(f.set, a)
	return a
}

// remove takes a fault out of the set.
func (f *faults) remove(id string) (event.FaultInjected, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.set, func(a activeFault) bool { return a.ID == id })
	if i < 0 {
		return event.FaultInjected{}, false
	}
	gone := f.set[i]
	gone.stop()
	f.set = slices.Delete(f.set, i, i+1)
	return gone.FaultInjected, true
}

// find is an active fault.
func (f *faults) find(id string) (activeFault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.set, func(a activeFault) bool { return a.ID == id })
	if i < 0 {
		return activeFault{}, false
	}
	return f.set[i], true
}

// expired are the faults whose lease is over, and the time until the next one's
// is; 0 when none will be.
func (f *faults) expired(now time.Time) (ids []string, next time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.set {
		switch left := a.expires.Sub(now); {
		case a.expires.IsZero():
		case left <= 0:
			ids = append(ids, a.ID)
		case next == 0 || left < next:
			next = left
		}
	}
	return ids, next
}

// Inject implements api.Faults.
func (s *Supervisor) Inject(ctx context.Context, r api.FaultRequest) (event.FaultInjected, error) {
	f, err := s.request(r)
	a := event.Action{Verb: "fault", Target: r.Text}
	if err == nil {
		a.Target = f.Text
		f, err = s.begin(ctx, f)
	}
	var danger *api.Danger
	if errors.As(err, &danger) {
		return f, err // a question, not an action
	}
	if err != nil {
		a.Error = err.Error()
	}
	s.rec.Emit(a)
	return f, err
}

// request turns a request into a fault, or into why it cannot be.
func (s *Supervisor) request(r api.FaultRequest) (event.FaultInjected, error) {
	parsed, err := fault.Parse(r.Text)
	if err != nil {
		return event.FaultInjected{}, err
	}
	var f event.FaultInjected
	var dangers []string
	var phase event.Phase
	s.rec.See(func(w *state.World) {
		phase = w.Phase
		if f, err = fault.Resolve(parsed, faultLab(w)); err == nil {
			dangers = fault.Dangers(w, f)
		}
	})
	if err != nil {
		return event.FaultInjected{}, err
	}
	f.Owner, f.Run = clean(r.Owner), clean(r.Run)
	if phase != event.Running {
		return f, fmt.Errorf("%s: the lab is %s; faults are for one that runs", f.Text, phase)
	}
	if len(dangers) > 0 && !r.Yes && !parsed.Yes {
		return f, &api.Danger{Text: f.Text, Reasons: dangers}
	}
	return f, nil
}

// clean bounds what a client says of itself.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
	return text[:min(len(text), 64)]
}

// faultLab is what a fault can name.
func faultLab(w *state.World) fault.Lab {
	lab := fault.Lab{Nodes: w.Topology.Nodes, Runs: fault.RunsOf(w)}
	for key := range w.Kube.Pods {
		lab.Pods = append(lab.Pods, key)
	}
	slices.Sort(lab.Pods)
	return lab
}

// begin lets a fault begin, and has it verified.
func (s *Supervisor) begin(ctx context.Context, f event.FaultInjected) (event.FaultInjected, error) {
	before := s.baseline(ctx, f)
	var leaving map[string]*machine
	if f.Kind == fault.Stop {
		leaving = s.leave(f.Nodes)
	}
	a := s.faults.add(s.background, f)
	if err := s.script.admits(f); err != nil { // looked at when it can be found there
		s.faults.remove(a.ID)
		s.stay(leaving)
		return f, err
	}
	s.rec.Emit(a.FaultInjected)
	if kind, _ := fault.KindOf(f.Kind); kind.Once {
		err := s.once(ctx, a.FaultInjected)
		s.faults.remove(a.ID)
		e := event.FaultEnded{ID: a.ID, Cause: "done"}
		if err != nil {
			e.Cause, e.Error = "failed", err.Error()
		}
		s.rec.Emit(e)
		return a.FaultInjected, err
	}
	if err := errors.Join(s.goDown(leaving), s.reconcile().about(a.FaultInjected)); err != nil {
		s.faults.remove(a.ID)
		again := s.reconcile().about(a.FaultInjected)
		s.rec.Emit(event.FaultEnded{ID: a.ID, Cause: "failed", Error: errors.Join(err, again).Error()})
		return a.FaultInjected, err
	}
	s.faults.poke() // its lease counts, its counters move
	s.sources.Go(func() { s.verify(a, before) })
	return a.FaultInjected, nil
}

// Heal implements api.Faults.
func (s *Supervisor) Heal(ctx context.Context, r api.HealRequest) (api.Healed, error) {
	ids := []string{r.ID}
	target := r.ID
	if r.All {
		ids, target = nil, "--all"
		for _, f := range s.faults.active() {
			ids = append(ids, f.ID)
		}
	}
	var gone []event.FaultInjected
	for _, f := range s.faults.active() {
		if contains(ids, f.ID) {
			gone = append(gone, f)
		}
	}
	healed, err := s.end(ids, "healed")
	err = errors.Join(err, s.awaitRepairs(ctx, gone))
	a := event.Action{Verb: "heal", Target: target}
	if err != nil {
		a.Error = err.Error()
	}
	s.rec.Emit(a)
	return api.Healed{IDs: healed}, err
}

// end ends faults and undoes what no other fault wants.
func (s *Supervisor) end(ids []string, cause string) (ended []string, err error) {
	var gone []event.FaultInjected
	var errs []error
	for _, id := range ids {
		f, ok := s.faults.remove(id)
		if !ok {
			errs = append(errs, fmt.Errorf("heal %s: there is no such fault%s", id, s.activeIDs()))
			continue
		}
		gone, ended = append(gone, f), append(ended, id)
	}
	if len(gone) == 0 {
		return nil, errors.Join(errs...)
	}
	troubles := s.reconcile()
	for _, f := range gone {
		e := event.FaultEnded{ID: f.ID, Cause: cause}
		if err := troubles.about(f); err != nil {
			e.Error = err.Error()
			errs = append(errs, fmt.Errorf("heal %s: %w; it is tried again every %v", f.ID, err, retryEvery))
		}
		s.rec.Emit(e)
	}
	s.faults.poke()
	return ended, errors.Join(errs...)
}

func (s *Supervisor) activeIDs() string {
	var ids []string
	for _, f := range s.faults.active() {
		ids = append(ids, f.ID)
	}
	if len(ids) == 0 {
		return "; none is on"
	}
	return "; there are " + strings.Join(ids, ", ")
}

// Intervals of the reconciler.
const (
	countEvery = 2 * time.Second // counters of rules, while there are rules
	retryEvery = time.Second     // what could not be done
)

// keepFaults ends faults whose lease is over, tries again what failed, and reads
// the counters, until ctx ends.
func (s *Supervisor) keepFaults(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		ids, next := s.faults.expired(time.Now())
		if len(ids) > 0 {
			if _, err := s.end(ids, "expired"); err != nil {
				s.log.Warn("end expired faults", "cause", err)
			}
			continue
		}
		wait := time.Hour
		if next > 0 {
			wait = next
		}
		if troubles := s.reconcile(); len(troubles) > 0 {
			s.log.Warn("make faults true", "cause", troubles.all())
			wait = min(wait, retryEvery)
		}
		if anyDiskFull(s.faults.desired()) {
			wait = min(wait, countEvery) // what is freed is taken again
		}
		if s.links.busy() {
			if err := s.links.count(); err != nil {
				s.log.Warn("count packets", "cause", err)
			}
			wait = min(wait, countEvery)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-s.faults.wake:
		case <-timer.C:
		}
	}
}

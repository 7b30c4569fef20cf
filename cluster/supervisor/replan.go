package supervisor

import (
	"context"

	"workbench/cluster/plan"
	"workbench/cluster/spec"
)

// current is the plan as the nodes are now. Its parts must not be changed.
func (s *Supervisor) current() plan.Plan {
	s.planMu.RLock()
	defer s.planMu.RUnlock()
	return s.plan
}

// replan makes other nodes the lab's: on disk first, so that the next `up` has
// them, then for everything that follows the plan.
func (s *Supervisor) replan(lab spec.Lab) error {
	s.planMu.Lock()
	defer s.planMu.Unlock()
	saved := s.saved
	saved.Lab = lab
	p, err := planOf(saved, s.versions)
	if err != nil {
		return err
	}
	if err := s.place.Save(saved); err != nil {
		return err
	}
	s.saved, s.plan = saved, p
	close(s.replanned)
	s.replanned = make(chan struct{})
	return nil
}

// specification is the lab's own with the nodes of now.
func (s *Supervisor) specification() spec.Lab {
	s.planMu.RLock()
	defer s.planMu.RUnlock()
	return s.saved.Lab
}

// whilePlanned runs what depends on which nodes there are, and runs it anew
// whenever they change, until ctx ends or it fails.
func (s *Supervisor) whilePlanned(ctx context.Context, run func(context.Context) error) error {
	for {
		s.planMu.RLock()
		changed := s.replanned
		s.planMu.RUnlock()
		running, stop := context.WithCancel(ctx)
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			select {
			case <-changed:
				stop()
			case <-running.Done():
			}
		}()
		err := run(running)
		again := running.Err() != nil && ctx.Err() == nil
		stop()
		<-stopped
		if err != nil || !again {
			return err
		}
	}
}

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"workbench/cluster/event"
	"workbench/runtime/image/store"
)

// tidyAfter is the time from when something went on a node until what it had of
// images is looked through: the kubelet removes containers that ended once a minute
// (upstream's ContainerGCPeriod), and containerd soon after what they had. What goes
// meanwhile is for the next time.
const tidyAfter = 75 * time.Second

// removal counts that something went, and returns true to the first: it is to look
// through what is left, until nothing more has gone.
func (i *images) removal() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	first := i.removed == i.tidied
	i.removed++
	return first
}

// removals is how often something went.
func (i *images) removals() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.removed
}

// tidy says that what went up to some removal is looked through, and returns whether
// that is all.
func (i *images) tidy(removal int) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tidied = removal
	return i.removed == removal
}

// followRemovals removes layers that no node has any more, some time after a
// container or an image went from one: the kubelet and containerd remove what a
// container had when they come to it.
func (s *Supervisor) followRemovals(body event.Body) {
	switch b := body.(type) {
	case event.ContainerEvent:
		if b.What != event.ContainerDeleted || b.Container == "" {
			return
		}
	case event.NodeImages:
	default:
		return
	}
	if s.background.Err() == nil && s.images.removal() {
		s.sources.Go(s.tidyUntilQuiet)
	}
}

func (s *Supervisor) tidyUntilQuiet() {
	ticker := time.NewTicker(tidyAfter)
	defer ticker.Stop()
	for {
		until := s.images.removals()
		select {
		case <-ticker.C:
		case <-s.background.Done():
			return
		}
		if err := s.tidyImages(s.background); err != nil && s.background.Err() == nil {
			s.log.Warn("remove layers that no node has", "cause", err)
		}
		if s.images.tidy(until) {
			return
		}
	}
}

// tidyImages removes what nodes have of layers that their containerd has removed, and
// then from the pool what nobody has.
func (s *Supervisor) tidyImages(ctx context.Context) error {
	var errs []error
	for _, name := range s.workers() {
		m, err := s.machine(name)
		if err != nil || s.isPaused(m) {
			continue // it is as it was
		}
		turn := s.images.turn(name)
		turn.Lock()
		if err := s.imagePlace(m).Sweep(); err != nil {
			errs = append(errs, fmt.Errorf("images of %s: %w", name, err))
		}
		turn.Unlock()
	}
	_, err := PruneImages(ctx, s.place)
	return errors.Join(append(errs, err)...)
}

// imagePlace is where the images of a running node are.
func (s *Supervisor) imagePlace(m *machine) store.Place {
	return store.Place{Root: s.place.Root(m.handle.Name), Inside: fmt.Sprintf("/proc/%d/root", m.handle.PID)}
}

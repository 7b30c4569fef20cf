package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/plan"
	"workbench/cluster/state"
	"workbench/runtime/image/store"
)

// goneFrom are the whole names of the images that faults take from a node.
func (s *Supervisor) goneFrom(node string) []string { return wholeNames(s.faults.desired().Gone(node)) }

func wholeNames(names []string) []string {
	var out []string
	for _, name := range names {
		if whole, err := store.Normalise(name); err == nil {
			out = append(out, whole)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// lostImages says that a node has lost images, perhaps in a run before.
func (s *Supervisor) lostImages(node string) bool {
	_, err := os.Stat(s.place.LostImages(node))
	return err == nil
}

// setGone makes a node lose images, and have the others back.
func (s *Supervisor) setGone(ctx context.Context, node string, n *store.Node, gone []string) error {
	if len(gone) == 0 && !s.lostImages(node) {
		return nil
	}
	if err := os.WriteFile(s.place.LostImages(node), []byte(strings.Join(gone, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	if err := n.SetGone(ctx, gone); err != nil {
		return err
	}
	if len(gone) > 0 {
		return nil
	}
	if err := os.Remove(s.place.LostImages(node)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// reconcileImages makes the images of a node follow the faults. One whose containerd
// is not up follows when it is.
func (s *Supervisor) reconcileImages(n plan.Node, m *machine, d fault.Desired) error {
	gone := wholeNames(d.Gone(n.Name))
	if slices.Equal(gone, m.gone) || !s.containerdReady(n.Name) {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(s.background, requestTimeout, errors.New("its containerd does not answer"))
	defer cancel()
	if err := s.onNode(n.Name, func(n *store.Node) error { return s.setGone(ctx, m.handle.Name, n, gone) }); err != nil {
		return err
	}
	m.gone = gone
	return nil
}

func (s *Supervisor) containerdReady(node string) (ready bool) {
	s.rec.See(func(w *state.World) {
		if host := w.Nodes[node]; host != nil && host.State == event.NodeRunning {
			c := host.Components[containerdComponent]
			ready = c != nil && c.State == event.ComponentReady
		}
	})
	return ready
}

// verifyImages asks the CRI of a node for the images that it has lost, and looks who
// would need them.
func (s *Supervisor) verifyImages(a activeFault, node string) finding {
	if !s.containerdReady(node) {
		return inconclusive("its containerd is not up; it loses the image when it is")
	}
	var missing, there []string
	err := s.onNode(node, func(n *store.Node) error {
		for _, name := range wholeNames(a.Images) {
			has, err := n.Has(a.ctx, name)
			if err != nil {
				return err
			}
			if has {
				there = append(there, name)
			} else {
				missing = append(missing, name)
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return inconclusive("%v", err)
	case len(there) > 0:
		return mismatch("its CRI still has %s", strings.Join(there, ", "))
	}
	return landed("its CRI says that %s is not there, and no pull is let through; %s", strings.Join(missing, ", "), s.users(node, a.Images))
}

// users says which pods on a node have containers of some images.
func (s *Supervisor) users(node string, images []string) string {
	var pods []string
	whole := wholeNames(images)
	s.rec.See(func(w *state.World) {
		for key, pod := range w.Kube.Pods {
			for _, c := range pod.Containers {
				if name, err := store.Normalise(c.Image); err == nil && pod.Node == node && slices.Contains(whole, name) && !slices.Contains(pods, key) {
					pods = append(pods, key)
				}
			}
		}
	})
	slices.Sort(pods)
	if len(pods) == 0 {
		return "no pod there uses it"
	}
	return fmt.Sprintf("used there by %s until restarted", strings.Join(pods, ", "))
}

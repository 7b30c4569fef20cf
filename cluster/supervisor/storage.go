package supervisor

import (
	"context"
	"fmt"
	"os"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/cluster/storage"
)

// provisionVolumes makes volumes for claims once the API has answered for the
// first time. It runs here and not in a pod: it has the nodes' disks at hand, while
// a pod would start another pod on a node for every directory.
func (s *Supervisor) provisionVolumes(ctx context.Context) error {
	if !s.current().Addons.Storage || !s.awaitAny(ctx, "kube-apiserver") {
		return nil
	}
	cfg, err := s.clientConfig()
	if err != nil {
		return err
	}
	return storage.Run(ctx, storage.Config{REST: cfg, Root: s.diskOf, Log: s.log})
}

// diskOf is the root file system of a node that runs.
func (s *Supervisor) diskOf(name string) (*os.Root, error) {
	if _, err := s.planned(name); err != nil {
		return nil, fmt.Errorf("%w: %s", storage.ErrNoNode, name)
	}
	var now event.NodePhase
	s.rec.See(func(w *state.World) { now = w.Nodes[name].State })
	if now != event.NodeRunning && now != event.NodePaused {
		return nil, fmt.Errorf("node %s is %s: nobody can reach its disk; start it with: workbench node start %s", name, now, name)
	}
	return os.OpenRoot(s.place.Root(name))
}

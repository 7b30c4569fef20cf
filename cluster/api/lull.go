package api

import (
	"context"
	"fmt"
	"time"

	"workbench/cluster/event"
)

// lull reads events for a follower that wants what is routine only so often: each
// wake-up costs both sides more than the events themselves. What is not routine
// goes out at once, with all that came before it.
type lull struct {
	reader Reader
	length time.Duration
	nodes  map[string]string // what the last kube.node of each node said, but for its revision
	last   time.Time         // of the last batch
}

// next gives the next events, at least one, in order.
func (l *lull) next(ctx context.Context) ([]event.Event, error) {
	batch, err := l.reader.Next(ctx)
	if err != nil || l.length <= 0 {
		return batch, err
	}
	until, stop := context.WithDeadlineCause(ctx, l.last.Add(l.length), context.DeadlineExceeded)
	defer stop()
	for waiting := l.routine(batch); waiting; {
		more, err := l.reader.Next(until)
		if err != nil {
			break // the lull is over, or the follower has gone: the next call tells
		}
		batch, waiting = append(batch, more...), l.routine(more)
	}
	l.last = time.Now()
	return batch, nil
}

// routine says whether all of a batch can wait.
func (l *lull) routine(batch []event.Event) bool {
	all := true
	for _, e := range batch {
		if n, ok := e.Body.(event.KubeNode); ok {
			says := fmt.Sprint(n.Ready, n.Reason, n.Unschedulable, n.Taints, n.Pressures, n.PodCIDR, n.Labels, n.AllocatableCPU, n.AllocatableMemory)
			known := l.nodes[n.Name] == says
			l.nodes[n.Name] = says
			all = all && known
			continue
		}
		all = all && event.Routine(e.Body)
	}
	return all
}

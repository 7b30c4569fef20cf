package schedule

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"

	"workbench/cluster/event"
)

// Interval is the least time between two events of the queues.
const Interval = 250 * time.Millisecond

// listedPods bounds the pods that one event of the queues tells of.
const listedPods = 100

var places = []event.SchedPlace{event.SchedInFlight, event.SchedActive, event.SchedBackoff, event.SchedParked, event.SchedGated}

// sample tells of the queues when they changed, until ctx ends. While nothing
// touches the queue it sleeps.
func (q *queue) sample(ctx context.Context) {
	var last event.SchedQueue
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.dirty:
		}
		if !q.leading.Load() {
			continue
		}
		now, at := q.look(), time.Now()
		if !reflect.DeepEqual(now, last) {
			q.r.emit(at, now)
			last = now
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(Interval):
		}
	}
}

// look is the state of the queues now.
func (q *queue) look() event.SchedQueue {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := event.SchedQueue{Instance: q.r.node, Counts: map[event.SchedPlace]int{}}
	waiting := map[string]bool{}
	add := func(place event.SchedPlace, pods []*v1.Pod) {
		for _, pod := range pods {
			one := q.queued(place, pod)
			out.Counts[one.Place]++
			out.Pods = append(out.Pods, one)
		}
	}
	add(event.SchedInFlight, q.SchedulingQueue.InFlightPods())
	add(event.SchedActive, q.SchedulingQueue.PodsInActiveQ())
	add(event.SchedBackoff, q.SchedulingQueue.PodsInBackoffQ())
	add(event.SchedParked, q.SchedulingQueue.UnschedulablePods())
	sortPods(out.Pods)
	if n := len(out.Pods) - listedPods; n > 0 {
		out.Unlisted, out.Pods = n, slices.Clone(out.Pods[:listedPods])
	}
	for _, p := range out.Pods {
		for _, plugin := range p.Plugins {
			waiting[plugin] = true
		}
	}
	for _, plugin := range slices.Sorted(maps.Keys(waiting)) {
		out.Waits = append(out.Waits, event.SchedWaits{Plugin: plugin, Events: q.waits[plugin]})
	}
	return out
}

func (q *queue) queued(place event.SchedPlace, pod *v1.Pod) event.SchedQueued {
	one := event.SchedQueued{Pod: podOf(pod), Place: place}
	e := q.ledger[pod.UID]
	if e == nil {
		return one
	}
	one.Attempts, one.Since = e.attempts, e.since
	switch place {
	case event.SchedBackoff:
		one.Until, one.Plugins = e.until, e.plugins
	case event.SchedParked:
		one.Plugins = e.plugins
		if e.gate != "" {
			one.Place, one.Plugins = event.SchedGated, []string{e.gate}
		}
	}
	return one
}

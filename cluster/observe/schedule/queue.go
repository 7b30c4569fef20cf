package schedule

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	internalqueue "k8s.io/kubernetes/pkg/scheduler/backend/queue"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"workbench/cluster/event"
)

// queue is the scheduler's queue with a ledger of what is in it and why. What
// the real queue hands out are live pointers that only its lock protects, so
// the ledger copies when a pod passes through and never looks inside later.
//
// All calls that can move a pod take mu, and compare what is parked before and
// after: that tells which event woke which pod. The real queue serialises them
// too. Only its own timers (a backoff that ends, the flush of what was parked
// for 5 minutes) move pods unseen, and the pod tells of the latter.
type queue struct {
	internalqueue.SchedulingQueue
	r       *Recorder
	leading atomic.Bool
	dirty   chan struct{}

	mu     sync.Mutex
	ledger map[types.UID]*entry
	parked map[types.UID]*entry // those of the ledger that wait for an event
	waits  map[string][]string  // plugin -> events it registered for, sorted
}

// entry is a pod in the queue.
type entry struct {
	pod      event.SchedPod
	attempts int
	since    time.Time
	until    time.Time
	plugins  []string
	gate     string
	wake     event.SchedWake
}

// attributed bounds how many parked pods are compared on each event; beyond it
// what wakes them is not told.
const attributed = 2000

func newQueue(r *Recorder, inner internalqueue.SchedulingQueue) *queue {
	return &queue{
		SchedulingQueue: inner, r: r, dirty: make(chan struct{}, 1),
		ledger: map[types.UID]*entry{}, parked: map[types.UID]*entry{}, waits: map[string][]string{},
	}
}

// learn asks the plugins of a profile which events they wait for.
func (q *queue) learn(f framework.Framework) {
	for _, extension := range f.EnqueueExtensions() {
		events, err := extension.EventsToRegister(context.Background())
		if err != nil {
			continue // the scheduler itself refused to start with it
		}
		labels := sets.New(q.waits[extension.Name()]...)
		for _, e := range events {
			labels.Insert(e.Event.Label())
		}
		q.waits[extension.Name()] = sets.List(labels)
	}
}

// lead says that this scheduler takes pods from its queue: it has the lease.
func (q *queue) lead() {
	if !q.leading.Swap(true) {
		q.touch()
	}
}

// touch asks for a look at the queues.
func (q *queue) touch() {
	select {
	case q.dirty <- struct{}{}:
	default:
	}
}

// Add implements the queue.
func (q *queue) Add(ctx context.Context, pod *v1.Pod) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.SchedulingQueue.Add(ctx, pod)
	e := &entry{pod: podOf(pod), since: time.Now(), wake: event.SchedWake{Event: framework.EventUnscheduledPodAdd.Label()}}
	q.ledger[pod.UID] = e
	q.gated(pod, e)
	q.touch()
}

// gated notes whether a PreEnqueue plugin holds a pod that was just put into
// the queue. Only calls that take mu change what is read here, but for a flush
// that leaves young entries alone.
func (q *queue) gated(pod *v1.Pod, e *entry) {
	e.gate = ""
	if info, ok := q.SchedulingQueue.GetPod(pod.Name, pod.Namespace, pod.Spec.SchedulingGroup); ok && info != nil {
		e.gate = strings.Clone(info.GatingPlugin)
	}
	if e.gate != "" {
		q.parked[pod.UID] = e
	}
}

// Update implements the queue.
func (q *queue) Update(ctx context.Context, old, pod *v1.Pod) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.parked[pod.UID]
	q.SchedulingQueue.Update(ctx, old, pod)
	if e == nil {
		return
	}
	var labels []string
	if old != nil {
		for _, change := range framework.PodSchedulingPropertiesChange(pod, old, true) {
			labels = append(labels, change.Label())
		}
	}
	q.compare(strings.Join(labels, ", "), "the pod itself")
	if q.parked[pod.UID] == e {
		q.gated(pod, e)
	}
	q.touch()
}

// Delete implements the queue.
func (q *queue) Delete(logger klog.Logger, pod *v1.Pod) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.SchedulingQueue.Delete(logger, pod)
	delete(q.ledger, pod.UID)
	delete(q.parked, pod.UID)
	q.touch()
}

// Activate implements the queue and fwk.PodActivator.
func (q *queue) Activate(logger klog.Logger, pods map[string]*v1.Pod) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.SchedulingQueue.Activate(logger, pods)
	q.compare(framework.ForceActivate, "a plugin asked for it")
}

// MoveAllToActiveOrBackoffQueue implements the queue.
func (q *queue) MoveAllToActiveOrBackoffQueue(logger klog.Logger, what fwk.ClusterEvent, old, new any, check internalqueue.PreEnqueueCheck) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.SchedulingQueue.MoveAllToActiveOrBackoffQueue(logger, what, old, new, check)
	if len(q.parked) > 0 {
		q.compare(what.Label(), objectOf(old, new))
	}
}

// AddUnschedulablePodIfNotPresent implements the queue: a pod comes back from
// an attempt that failed.
func (q *queue) AddUnschedulablePodIfNotPresent(logger klog.Logger, info *framework.QueuedPodInfo, cycle int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	pod := info.Pod
	e := &entry{pod: podOf(pod), attempts: info.Attempts, since: time.Now(), plugins: sets.List(info.UnschedulablePlugins.Union(info.PendingPlugins))}
	err := q.SchedulingQueue.AddUnschedulablePodIfNotPresent(logger, info, cycle)
	if err != nil {
		return err
	}
	q.ledger[pod.UID] = e
	q.parked[pod.UID] = e
	q.gated(pod, e)
	if len(e.plugins) == 0 {
		q.compare("", "tried again after an error")
	} else {
		q.compare("", "") // what came while it was in flight may have sent it on
	}
	q.touch()
	return nil
}

// Done implements the queue.
func (q *queue) Done(uid types.UID) {
	q.SchedulingQueue.Done(uid)
	q.touch()
}

// compare finds the parked pods that are not any more: what just happened woke
// them. No label stands for something that happened while they were in flight.
func (q *queue) compare(label, object string) {
	if n := len(q.parked); n == 0 || n > attributed {
		return
	}
	still := make(map[types.UID]bool, len(q.parked))
	for _, pod := range q.SchedulingQueue.UnschedulablePods() {
		still[pod.UID] = true
	}
	now := time.Now()
	for uid, e := range q.parked {
		if still[uid] {
			continue
		}
		delete(q.parked, uid)
		e.gate = ""
		e.wake = event.SchedWake{Event: label, Object: object, At: now, InFlight: label == "" && object == ""}
		if info, ok := q.SchedulingQueue.GetPod(e.pod.Name, e.pod.Namespace, nil); ok && info != nil {
			e.until = info.BackoffExpiration
		}
		q.touch()
	}
}

// popped is what brought back a pod that the scheduler just took.
func (q *queue) popped(info *framework.QueuedPodInfo) event.SchedWake {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.touch()
	e := q.ledger[info.Pod.UID]
	delete(q.ledger, info.Pod.UID)
	delete(q.parked, info.Pod.UID)
	switch {
	case info.WasFlushedFromUnschedulable:
		return event.SchedWake{Event: framework.UnschedulableTimeout}
	case e != nil:
		return e.wake
	}
	return event.SchedWake{}
}

// objectOf names what a cluster event happened to.
func objectOf(old, new any) string {
	for _, one := range []any{new, old} {
		object, ok := one.(metav1.Object)
		if !ok || object == nil {
			continue
		}
		kind := "object"
		switch one.(type) {
		case *v1.Node:
			kind = "Node"
		case *v1.Pod:
			kind = "Pod"
		case *v1.PersistentVolume:
			kind = "PersistentVolume"
		case *v1.PersistentVolumeClaim:
			kind = "PersistentVolumeClaim"
		}
		if object.GetNamespace() != "" {
			return kind + " " + object.GetNamespace() + "/" + object.GetName()
		}
		return kind + " " + object.GetName()
	}
	return ""
}

var _ internalqueue.SchedulingQueue = (*queue)(nil)

// sortPods puts the pods of a queue's event in order.
func sortPods(pods []event.SchedQueued) {
	slices.SortFunc(pods, func(a, b event.SchedQueued) int {
		if c := slices.Index(places, a.Place) - slices.Index(places, b.Place); c != 0 {
			return c
		}
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.Pod.Key(), b.Pod.Key())
	})
}

// Package schedule is the tap inside the kube-scheduler: every scheduling cycle
// with the verdicts of its plugins, the bindings and preemptions that follow,
// and what waits in the queues for what.
//
// Plugins stay upstream's own. The tap stands around the frameworks that run
// them (Scheduler.Profiles), around SchedulePod, NextEntity and FailureHandler,
// around the queue, and around the evaluator of DefaultPreemption; all of these
// are exported by the library for that.
//
//	queue -> NextEntity -> SchedulePod [PreFilter, Filter, Score] -> PostFilter or Reserve, Permit -> PreBind, Bind
//	  '---------------- record of the cycle, in its CycleState ----------------'         '-- record of the binding
//
// In the scheduler's own goroutines the tap only copies what it is given; a
// goroutine of its own makes events of it. When that falls behind, records are
// dropped and counted; the scheduler never waits.
package schedule

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"workbench/cluster/event"
)

// Emit takes an event and the time at which it was observed; it never blocks.
type Emit func(at time.Time, body event.Body)

// pending bounds finished records that no event was made of yet.
const pending = 2048

// gather is how long records are gathered before events are made of them: in a
// burst, waking up for each would cost more than the events do.
const gather = 20 * time.Millisecond

// Recorder records what one scheduler does.
type Recorder struct {
	node      string
	emit      Emit
	extenders []string
	queue     *queue
	work      chan func()
	lost      atomic.Int64
	spare     spare

	mu   sync.Mutex
	open map[types.UID]*record // cycles and bindings under way
	last pop
}

// pop is the pod that the scheduler took from its queue last.
type pop struct {
	uid  types.UID
	at   time.Time
	wake event.SchedWake
}

// Attach makes a recorder of a scheduler that does not run yet. Node is where
// the scheduler runs. Run must be called for events to come.
func Attach(node string, sched *scheduler.Scheduler, emit Emit) *Recorder {
	r := &Recorder{node: node, emit: emit, work: make(chan func(), pending), open: map[types.UID]*record{}}
	for _, e := range sched.Extenders {
		r.extenders = append(r.extenders, e.Name())
	}
	r.queue = newQueue(r, sched.SchedulingQueue)
	sched.SchedulingQueue = r.queue
	for name, inner := range sched.Profiles {
		inner.SetPodActivator(r.queue)
		r.queue.learn(inner)
		r.watchPreemption(inner)
		sched.Profiles[name] = newProfile(r, inner)
	}
	r.wrapNext(sched)
	r.wrapSchedule(sched)
	r.wrapFailure(sched)
	return r
}

// Lost is the number of records dropped so far.
func (r *Recorder) Lost() int64 { return r.lost.Load() }

// Run makes events of records until ctx ends.
func (r *Recorder) Run(ctx context.Context) {
	sampling := make(chan struct{})
	go func() { defer close(sampling); r.queue.sample(ctx) }()
	defer func() { <-sampling }()
	for {
		select {
		case <-ctx.Done():
			return
		case make := <-r.work:
			select {
			case <-ctx.Done():
				return
			case <-time.After(gather):
			}
			make()
			for len(r.work) > 0 {
				(<-r.work)()
			}
		}
	}
}

// later runs the making of an event in the recorder's goroutine.
func (r *Recorder) later(make func()) {
	select {
	case r.work <- make:
	default:
		r.lost.Add(1)
	}
}

func (r *Recorder) wrapNext(sched *scheduler.Scheduler) {
	next := sched.NextEntity
	sched.NextEntity = func(logger klog.Logger) (framework.QueuedEntityInfo, error) {
		r.queue.lead()
		entity, err := next(logger)
		if info, ok := entity.(*framework.QueuedPodInfo); ok && info != nil && info.PodInfo != nil && info.Pod != nil {
			p := pop{uid: info.Pod.UID, at: time.Now(), wake: r.queue.popped(info)}
			r.mu.Lock()
			r.last = p
			r.mu.Unlock()
		}
		return entity, err
	}
}

func (r *Recorder) wrapSchedule(sched *scheduler.Scheduler) {
	schedule := sched.SchedulePod
	sched.SchedulePod = func(ctx context.Context, f framework.Framework, state fwk.CycleState, info *framework.QueuedPodInfo) (scheduler.ScheduleResult, error) {
		c := r.begin(f, state, info)
		result, err := schedule(ctx, f, state, info)
		c.result(result, err)
		return result, err
	}
}

func (r *Recorder) wrapFailure(sched *scheduler.Scheduler) {
	handle := sched.FailureHandler
	sched.FailureHandler = func(ctx context.Context, f framework.Framework, info *framework.QueuedPodInfo, status *fwk.Status, nominating *fwk.NominatingInfo, start time.Time) {
		r.failed(f, info, status, start)
		handle(ctx, f, info, status, nominating, start)
	}
}

// begin opens the record of a cycle and leaves it in the cycle's state, where
// the framework's methods find it, also in clones of the state.
func (r *Recorder) begin(f framework.Framework, state fwk.CycleState, info *framework.QueuedPodInfo) *record {
	c := newRecord(r, f.ProfileName(), info)
	c.group = state.IsPodGroupSchedulingCycle()
	if p, ok := f.(*profile); ok {
		c.plugins = p.plugins
		c.survey(p)
	}
	r.mu.Lock()
	if r.last.uid == info.Pod.UID {
		c.start, c.wake = r.last.at, r.last.wake
	}
	r.open[info.Pod.UID] = c
	r.mu.Unlock()
	state.Write(stateKey, c)
	return c
}

// of is the record of a pod's cycle or binding; nil when there is none.
func (r *Recorder) of(uid types.UID) *record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[uid]
}

func (r *Recorder) close(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, uid)
}

// failed ends the cycle, or the binding, that a pod failed in.
func (r *Recorder) failed(f framework.Framework, info *framework.QueuedPodInfo, status *fwk.Status, start time.Time) {
	c := r.of(info.Pod.UID)
	if c == nil {
		c = newRecord(r, f.ProfileName(), info)
		c.start = start
	}
	r.close(info.Pod.UID)
	outcome, message := event.SchedError, clip(status.Message())
	if status.IsRejected() {
		outcome = event.SchedUnschedulable
	}
	if c.decided {
		c.bound(outcome, message)
		return
	}
	c.decide(outcome, message)
}

// podOf names a pod.
func podOf(pod *v1.Pod) event.SchedPod {
	return event.SchedPod{Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID), Priority: corev1.PodPriority(pod)}
}

// longest is the length of a message in bytes beyond which it is cut; an
// Event's note ends there too.
const longest = 1024

func clip(text string) string {
	if len(text) > longest {
		return text[:longest-4] + " ..."
	}
	return text
}

// code is a status as a verdict.
func code(s *fwk.Status) event.SchedCode {
	switch s.Code() {
	case fwk.Success:
		return event.SchedOK
	case fwk.Unschedulable:
		return event.SchedNo
	case fwk.UnschedulableAndUnresolvable:
		return event.SchedNever
	case fwk.Pending, fwk.Wait:
		return event.SchedPending
	case fwk.Skip:
		return event.SchedSkip
	default:
		return event.SchedFailed
	}
}

package schedule

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"

	"workbench/cluster/event"
)

// listedCandidates bounds the candidates that a cycle tells of.
const listedCandidates = 24

// watchPreemption stands around the evaluator and the executor of a profile's
// DefaultPreemption; a profile without it preempts nothing.
func (r *Recorder) watchPreemption(inner framework.Framework) {
	for _, plugin := range inner.PreEnqueuePlugins() {
		preempts, ok := plugin.(*defaultpreemption.DefaultPreemption)
		if !ok {
			continue
		}
		preempts.Evaluator.Interface = evaluator{preempts.Evaluator.Interface}
		evict := preempts.Executor.PreemptPod
		preempts.Executor.PreemptPod = func(ctx context.Context, c preemption.Candidate, by preemption.ExecutorPreemptor, victim *v1.Pod, plugin string) (bool, error) {
			from := time.Now()
			inMemory, err := evict(ctx, c, by, victim, plugin)
			r.preempted(from, c.Name(), by, victim, inMemory, err)
			return inMemory, err
		}
	}
}

func (r *Recorder) preempted(from time.Time, node string, by preemption.ExecutorPreemptor, victim *v1.Pod, inMemory bool, err error) {
	now := time.Now()
	body := event.SchedPreempted{
		Instance: r.node, Node: node, Victim: podOf(victim), InMemory: inMemory, Took: now.Sub(from),
		Preemptor: event.SchedPod{Namespace: by.GetNamespace(), Name: by.GetName(), UID: string(by.UID()), Priority: by.Priority()},
	}
	if err != nil {
		body.Error = clip(err.Error())
	}
	r.later(func() { r.emit(now, body) })
}

// evaluator records the dry runs of preemption, one per node, many at once.
type evaluator struct{ preemption.Interface }

// SelectVictimsOnNode implements preemption.Interface.
func (e evaluator) SelectVictimsOnNode(ctx context.Context, state fwk.CycleState, preemptor *v1.Pod, info fwk.NodeInfo, possible []*preemption.DomainVictim, pdbs []*policy.PodDisruptionBudget) ([]*v1.Pod, int, *fwk.Status) {
	node := info.Node().Name
	victims, violations, status := e.Interface.SelectVictimsOnNode(ctx, state, preemptor, info, possible, pdbs)
	c := recordIn(state)
	if c == nil {
		return victims, violations, status
	}
	candidate := event.SchedCandidate{Node: node, Violations: violations}
	if !status.IsSuccess() {
		candidate.Reason = clip(status.Message())
	}
	for _, v := range victims {
		candidate.Victims = append(candidate.Victims, v.Namespace+"/"+v.Name)
	}
	c.mu.Lock()
	c.candidates = append(c.candidates, candidate)
	c.mu.Unlock()
	return victims, violations, status
}

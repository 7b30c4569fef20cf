package watch

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	always   = corev1.ContainerRestartPolicyAlways
	yes      = true
	running  = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	creating = waiting("ContainerCreating")
	pending  = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}
)

func waiting(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
}

func exited(code, signal int32, reason string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Signal: signal, Reason: reason}}
}

// podBuilder composes a pod for the status table.
type podBuilder struct{ corev1.Pod }

func phase(p corev1.PodPhase) *podBuilder {
	b := &podBuilder{}
	b.Status.Phase = p
	return b
}

func (b *podBuilder) reason(r string) *podBuilder { b.Status.Reason = r; return b }

func (b *podBuilder) deleting() *podBuilder {
	b.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	return b
}

func (b *podBuilder) condition(t corev1.PodConditionType, s corev1.ConditionStatus, reason string) *podBuilder {
	b.Status.Conditions = append(b.Status.Conditions, corev1.PodCondition{Type: t, Status: s, Reason: reason})
	return b
}

func (b *podBuilder) init(s corev1.ContainerState) *podBuilder {
	name := string(rune('a' + len(b.Spec.InitContainers)))
	b.Spec.InitContainers = append(b.Spec.InitContainers, corev1.Container{Name: name})
	b.Status.InitContainerStatuses = append(b.Status.InitContainerStatuses, corev1.ContainerStatus{Name: name, State: s})
	return b
}

func (b *podBuilder) sidecar(s corev1.ContainerState, started *bool) *podBuilder {
	b.init(s)
	b.Spec.InitContainers[len(b.Spec.InitContainers)-1].RestartPolicy = &always
	b.Status.InitContainerStatuses[len(b.Status.InitContainerStatuses)-1].Started = started
	return b
}

func (b *podBuilder) container(s corev1.ContainerState, ready bool) *podBuilder {
	name := string(rune('k' + len(b.Spec.Containers)))
	b.Spec.Containers = append(b.Spec.Containers, corev1.Container{Name: name, Image: "image-" + name})
	b.Status.ContainerStatuses = append(b.Status.ContainerStatuses, corev1.ContainerStatus{Name: name, State: s, Ready: ready})
	return b
}

func TestPodStatusIsKubectls(t *testing.T) {
	const yesStatus, noStatus = corev1.ConditionTrue, corev1.ConditionFalse
	for want, pods := range map[string][]*podBuilder{
		"Pending": {phase("Pending"), phase("Pending").condition(corev1.PodScheduled, noStatus, "Unschedulable")},
		"Running": {
			phase("Running").container(running, true),
			phase("Running").container(running, false),
			phase("Running").container(exited(0, 0, "Completed"), false).container(running, true).condition(corev1.PodReady, yesStatus, ""),
			phase("Running").sidecar(running, &yes).container(running, true),
		},
		"NotReady":          {phase("Running").container(exited(0, 0, "Completed"), false).container(running, true)},
		"Completed":         {phase("Succeeded").container(exited(0, 0, "Completed"), false), phase("Succeeded").container(exited(0, 0, "Completed"), false).deleting()},
		"Error":             {phase("Failed").container(exited(1, 0, "Error"), false), phase("Running").container(exited(0, 0, "Completed"), false).container(exited(1, 0, "Error"), false)},
		"OOMKilled":         {phase("Running").container(exited(137, 0, "OOMKilled"), false)},
		"Signal:9":          {phase("Failed").container(exited(137, 9, ""), false)},
		"ExitCode:3":        {phase("Failed").container(exited(3, 0, ""), false)},
		"ContainerCreating": {phase("Pending").container(creating, false)},
		"PodInitializing":   {phase("Pending").init(exited(0, 0, "Completed")).container(pending, false)},
		"CrashLoopBackOff":  {phase("Running").container(waiting("CrashLoopBackOff"), false), phase("Running").container(waiting("CrashLoopBackOff"), false).container(running, true)},
		"ImagePullBackOff":  {phase("Pending").container(waiting("ImagePullBackOff"), false)},
		"Evicted":           {phase("Failed").reason("Evicted")},
		"NodeLost":          {phase("Running").reason("NodeLost")},
		"Unknown":           {phase("Unknown"), phase("Running").reason("NodeLost").container(running, true).deleting()},
		"Terminating":       {phase("Running").container(running, true).deleting(), phase("Pending").deleting()},
		"SchedulingGated":   {phase("Pending").condition(corev1.PodScheduled, noStatus, corev1.PodReasonSchedulingGated)},
		"Init:0/2":          {phase("Pending").init(running).init(pending).container(pending, false), phase("Pending").init(pending).init(pending)},
		"Init:1/2":          {phase("Pending").init(exited(0, 0, "Completed")).init(running).container(pending, false)},
		"Init:0/1": {
			phase("Pending").sidecar(running, nil).container(pending, false),
		},
		"Init:Error":            {phase("Pending").init(exited(1, 0, "Error")).container(pending, false)},
		"Init:CrashLoopBackOff": {phase("Pending").init(waiting("CrashLoopBackOff")).container(pending, false)},
		"Init:ExitCode:2":       {phase("Pending").init(exited(2, 0, ""))},
		"Init:Signal:15":        {phase("Pending").init(exited(143, 15, ""))},
	} {
		for i, p := range pods {
			if got := podStatus(&p.Pod); got != want {
				t.Errorf("pod %d of %s has status %s", i, want, got)
			}
		}
	}
	// A sidecar that restarts does not hide what an initialized pod does.
	p := phase("Running").sidecar(waiting("CrashLoopBackOff"), nil).container(waiting("ErrImagePull"), false).condition(corev1.PodInitialized, yesStatus, "")
	if got := podStatus(&p.Pod); got != "ErrImagePull" {
		t.Errorf("initialized pod has status %s", got)
	}
}

// TestWhoStays holds which pods are not evicted from an unreachable node.
func TestWhoStays(t *testing.T) {
	seconds := int64(2)
	for _, c := range []struct {
		name  string
		t     []corev1.Toleration
		stays bool
	}{
		{"none", nil, false},
		{"the default", []corev1.Toleration{{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds}}, false},
		{"all", []corev1.Toleration{{Operator: corev1.TolerationOpExists}}, true},
		{"a DaemonSet's", []corev1.Toleration{{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}}, true},
		{"scheduling only", []corev1.Toleration{{Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}}, false},
		{"another taint", []corev1.Toleration{{Key: "disk", Operator: corev1.TolerationOpExists}}, false},
	} {
		if got := projectPod(&corev1.Pod{Spec: corev1.PodSpec{Tolerations: c.t}}).Stays; got != c.stays {
			t.Errorf("%s: stays %v", c.name, got)
		}
	}
}

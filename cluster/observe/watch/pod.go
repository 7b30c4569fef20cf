package watch

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"workbench/cluster/event"
)

// projectPod lists the containers that kubectl counts as READY: sidecars (init
// containers that keep running) and the ordinary ones.
func projectPod(p *corev1.Pod) event.KubePod {
	b := event.KubePod{
		Meta:    projectMeta(p),
		Phase:   string(p.Status.Phase),
		Node:    p.Spec.NodeName,
		IP:      p.Status.PodIP,
		Ready:   isTrue(p, corev1.PodReady),
		Reason:  p.Status.Reason,
		Message: p.Status.Message,
		Status:  podStatus(p),
		Stays:   slices.ContainsFunc(p.Spec.Tolerations, staysForEver),
		// As pkg/kubelet/types.ConfigHashAnnotationKey.
		ConfigHash: p.Annotations["kubernetes.io/config.hash"],
	}
	if c := condition(p, corev1.PodScheduled); b.Reason == "" && c != nil && c.Status == corev1.ConditionFalse {
		b.Reason, b.Message = c.Reason, c.Message
	}
	for i := range p.Spec.InitContainers {
		if c := &p.Spec.InitContainers[i]; isSidecar(c) {
			b.Containers = append(b.Containers, projectContainer(c, p.Status.InitContainerStatuses))
		}
	}
	for i := range p.Spec.Containers {
		b.Containers = append(b.Containers, projectContainer(&p.Spec.Containers[i], p.Status.ContainerStatuses))
	}
	return b
}

// staysForEver says that the toleration is of an unreachable node, without an end.
func staysForEver(t corev1.Toleration) bool {
	key := t.Key == corev1.TaintNodeUnreachable || t.Key == "" && t.Operator == corev1.TolerationOpExists
	return key && t.Value == "" && t.TolerationSeconds == nil && (t.Effect == "" || t.Effect == corev1.TaintEffectNoExecute)
}

func projectContainer(c *corev1.Container, statuses []corev1.ContainerStatus) event.KubeContainer {
	b := event.KubeContainer{Name: c.Name, Image: c.Image}
	for _, s := range statuses {
		if s.Name != c.Name {
			continue
		}
		b.Ready, b.Restarts = s.Ready, s.RestartCount
		switch {
		case s.State.Running != nil:
			b.State = "running"
		case s.State.Terminated != nil:
			b.State, b.Reason = "terminated", s.State.Terminated.Reason
		case s.State.Waiting != nil:
			b.State, b.Reason = "waiting", s.State.Waiting.Reason
		}
	}
	return b
}

// nodeLost is the status reason that the node lifecycle controller gives to pods
// of a node it cannot reach.
const nodeLost = "NodeLost"

// podStatus is the word that kubectl get pods prints under STATUS. It mirrors
// printPod in k8s.io/kubernetes/pkg/printers/internalversion/printers.go, which
// the API server runs for kubectl.
func podStatus(p *corev1.Pod) string {
	word := string(p.Status.Phase)
	if p.Status.Reason != "" {
		word = p.Status.Reason
	}
	if c := condition(p, corev1.PodScheduled); c != nil && c.Reason == corev1.PodReasonSchedulingGated {
		word = corev1.PodReasonSchedulingGated
	}
	initializing, initWord := initStatus(p)
	if initializing {
		word = initWord
	}
	if !initializing || isTrue(p, corev1.PodInitialized) {
		word = containersStatus(p, word)
	}
	terminal := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	switch {
	case p.DeletionTimestamp != nil && p.Status.Reason == nodeLost:
		return "Unknown"
	case p.DeletionTimestamp != nil && !terminal:
		return "Terminating"
	}
	return word
}

// initStatus tells about the first init container that is not done.
func initStatus(p *corev1.Pod) (initializing bool, word string) {
	for i, s := range p.Status.InitContainerStatuses {
		done, waiting := s.State.Terminated, s.State.Waiting
		switch {
		case done != nil && done.ExitCode == 0:
			continue
		case s.Started != nil && *s.Started && isSidecarNamed(p, s.Name):
			continue
		case done != nil:
			return true, "Init:" + exitWord(done)
		case waiting != nil && waiting.Reason != "" && waiting.Reason != "PodInitializing":
			return true, "Init:" + waiting.Reason
		}
		return true, fmt.Sprintf("Init:%d/%d", i, len(p.Spec.InitContainers))
	}
	return false, ""
}

// containersStatus is the word of the first container that has one, or else word.
func containersStatus(p *corev1.Pod, word string) string {
	running, failure := false, ""
	for i := len(p.Status.ContainerStatuses) - 1; i >= 0; i-- {
		s := &p.Status.ContainerStatuses[i]
		switch {
		case s.State.Waiting != nil && s.State.Waiting.Reason != "":
			word = s.State.Waiting.Reason
		case s.State.Terminated != nil:
			word = exitWord(s.State.Terminated)
			if s.State.Terminated.ExitCode != 0 {
				failure = word
			}
		case s.Ready && s.State.Running != nil:
			running = true
		}
	}
	if word != "Completed" {
		return word
	}
	// Some are done while others run: the pod as a whole is not completed.
	switch {
	case running && isTrue(p, corev1.PodReady):
		return "Running"
	case failure != "":
		return failure
	case running:
		return "NotReady"
	}
	return word
}

func exitWord(t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Reason != "":
		return t.Reason
	case t.Signal != 0:
		return fmt.Sprintf("Signal:%d", t.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", t.ExitCode)
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func isSidecarNamed(p *corev1.Pod, name string) bool {
	for i := range p.Spec.InitContainers {
		if p.Spec.InitContainers[i].Name == name {
			return isSidecar(&p.Spec.InitContainers[i])
		}
	}
	return false
}

func condition(p *corev1.Pod, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == t {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

func isTrue(p *corev1.Pod, t corev1.PodConditionType) bool {
	c := condition(p, t)
	return c != nil && c.Status == corev1.ConditionTrue
}

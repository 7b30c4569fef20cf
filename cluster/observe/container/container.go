// Package container tells what containerd says of its containers. The tap is a
// plugin in containerd itself, so there is no connection to lose and nothing to
// ask: it hears what containerd's own exchange tells everybody.
//
//	shim -> containerd's exchange -> Tap (names from the labels) -> tap.Pipe
package container

import (
	"context"
	"strings"
	"time"

	apievents "github.com/containerd/containerd/api/events"
	"github.com/containerd/containerd/v2/core/events"
	"github.com/containerd/typeurl/v2"

	"workbench/cluster/event"
)

// Namespace is containerd's namespace of what the kubelet runs.
const Namespace = "k8s.io"

// Labels that containerd's CRI plugin gives a container (internal/cri/labels).
const (
	labelNamespace = "io.kubernetes.pod.namespace"
	labelPod       = "io.kubernetes.pod.name"
	labelContainer = "io.kubernetes.container.name"
	labelKind      = "io.cri-containerd.kind"
	kindSandbox    = "sandbox"
)

// Subscriber is where containerd publishes its events.
type Subscriber interface {
	Subscribe(ctx context.Context, filters ...string) (<-chan *events.Envelope, <-chan error)
}

// Tap tells of the containers of one node.
type Tap struct {
	Node   string
	Events Subscriber
	// Labels are those of a container.
	Labels func(ctx context.Context, id string) (map[string]string, error)
	Emit   func(at time.Time, body event.Body)

	known map[string]event.ContainerEvent // who a container is, by ID, until it is deleted
}

// Run tells until ctx ends.
func (t *Tap) Run(ctx context.Context) {
	t.known = map[string]event.ContainerEvent{}
	stream, failed := t.Events.Subscribe(ctx, `topic~="^/tasks/",namespace==`+Namespace)
	for {
		select {
		case e := <-stream:
			if told, ok := t.read(ctx, e); ok {
				t.Emit(e.Timestamp, told)
			}
		case <-failed:
			return
		}
	}
}

// read turns an event of containerd into ours; false for one that is none of a
// container itself, such as the end of a command run in it.
func (t *Tap) read(ctx context.Context, e *events.Envelope) (event.ContainerEvent, bool) {
	decoded, err := typeurl.UnmarshalAny(e.Event)
	if err != nil {
		return event.ContainerEvent{}, false
	}
	var told event.ContainerEvent
	switch b := decoded.(type) {
	case *apievents.TaskCreate:
		told = event.ContainerEvent{What: event.ContainerCreated, ID: b.ContainerID, PID: int(b.Pid)}
	case *apievents.TaskStart:
		told = event.ContainerEvent{What: event.ContainerStarted, ID: b.ContainerID, PID: int(b.Pid)}
	case *apievents.TaskExit:
		if b.ID != b.ContainerID {
			return told, false
		}
		told = event.ContainerEvent{What: event.ContainerExited, ID: b.ContainerID, PID: int(b.Pid), ExitCode: int(b.ExitStatus)}
	case *apievents.TaskOOM:
		told = event.ContainerEvent{What: event.ContainerOOM, ID: b.ContainerID}
	case *apievents.TaskPaused:
		told = event.ContainerEvent{What: event.ContainerPaused, ID: b.ContainerID}
	case *apievents.TaskResumed:
		told = event.ContainerEvent{What: event.ContainerResumed, ID: b.ContainerID}
	case *apievents.TaskDelete:
		if b.ID != "" && b.ID != b.ContainerID {
			return told, false
		}
		told = event.ContainerEvent{What: event.ContainerDeleted, ID: b.ContainerID, ExitCode: int(b.ExitStatus)}
	default:
		return told, false
	}
	who := t.who(ctx, told.ID)
	told.Node, told.Namespace, told.Pod, told.Container = t.Node, who.Namespace, who.Pod, who.Container
	if told.What == event.ContainerDeleted {
		delete(t.known, told.ID)
	}
	return told, true
}

// who reads the names of a container once. Without labels it has an ID alone.
func (t *Tap) who(ctx context.Context, id string) event.ContainerEvent {
	if who, ok := t.known[id]; ok {
		return who
	}
	labels, err := t.Labels(ctx, id)
	if err != nil {
		return event.ContainerEvent{}
	}
	who := event.ContainerEvent{Namespace: labels[labelNamespace], Pod: labels[labelPod]}
	if labels[labelKind] != kindSandbox {
		who.Container = labels[labelContainer]
	}
	t.known[strings.Clone(id)] = who
	return who
}

package container_test

import (
	"context"
	"errors"
	"testing"

	apievents "github.com/containerd/containerd/api/events"
	"github.com/containerd/containerd/v2/core/events"
	"github.com/containerd/containerd/v2/core/events/exchange"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/google/go-cmp/cmp"

	"time"

	"workbench/cluster/event"
	"workbench/cluster/observe/container"
)

// subscribed tells when a tap has subscribed: an exchange tells only who listens.
type subscribed struct {
	*exchange.Exchange
	done chan struct{}
}

func (s subscribed) Subscribe(ctx context.Context, filters ...string) (<-chan *events.Envelope, <-chan error) {
	stream, failed := s.Exchange.Subscribe(ctx, filters...)
	close(s.done)
	return stream, failed
}

func TestTapTellsTheLifeOfAContainer(t *testing.T) {
	labels := map[string]map[string]string{
		"a": {"io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.name": "web", "io.kubernetes.container.name": "app", "io.cri-containerd.kind": "container"},
		"s": {"io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.name": "web", "io.cri-containerd.kind": "sandbox"},
	}
	source := subscribed{exchange.NewExchange(), make(chan struct{})}
	told := make(chan event.Body, 16)
	tap := container.Tap{
		Node: "w1", Events: source, Emit: func(_ time.Time, b event.Body) { told <- b },
		Labels: func(_ context.Context, id string) (map[string]string, error) {
			if l := labels[id]; l != nil {
				return l, nil
			}
			return nil, errors.New("no such container")
		},
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); tap.Run(ctx) }()
	<-source.done
	publish := func(namespace, topic string, e events.Event) {
		t.Helper()
		if err := source.Publish(namespaces.WithNamespace(ctx, namespace), topic, e); err != nil {
			t.Fatal(err)
		}
	}
	publish("k8s.io", "/tasks/start", &apievents.TaskStart{ContainerID: "s", Pid: 7})
	publish("k8s.io", "/tasks/create", &apievents.TaskCreate{ContainerID: "a", Pid: 9})
	publish("k8s.io", "/tasks/exec-added", &apievents.TaskExecAdded{ContainerID: "a", ExecID: "x"})
	publish("k8s.io", "/tasks/exit", &apievents.TaskExit{ContainerID: "a", ID: "x", Pid: 10})
	publish("k8s.io", "/containers/update", &apievents.ContainerUpdate{ID: "a"})
	publish("moby", "/tasks/start", &apievents.TaskStart{ContainerID: "a", Pid: 11})
	publish("k8s.io", "/tasks/oom", &apievents.TaskOOM{ContainerID: "a"})
	publish("k8s.io", "/tasks/exit", &apievents.TaskExit{ContainerID: "a", ID: "a", Pid: 9, ExitStatus: 137})
	publish("k8s.io", "/tasks/delete", &apievents.TaskDelete{ContainerID: "a", ExitStatus: 137})
	publish("k8s.io", "/tasks/start", &apievents.TaskStart{ContainerID: "unknown", Pid: 12})
	app := event.ContainerEvent{Node: "w1", ID: "a", Namespace: "shop", Pod: "web", Container: "app"}
	of := func(what event.ContainerWhat, pid, code int) event.ContainerEvent {
		e := app
		e.What, e.PID, e.ExitCode = what, pid, code
		return e
	}
	want := []event.Body{
		event.ContainerEvent{Node: "w1", What: event.ContainerStarted, ID: "s", Namespace: "shop", Pod: "web", PID: 7},
		of(event.ContainerCreated, 9, 0), of(event.ContainerOOM, 0, 0), of(event.ContainerExited, 9, 137), of(event.ContainerDeleted, 0, 137),
		event.ContainerEvent{Node: "w1", What: event.ContainerStarted, ID: "unknown", PID: 12},
	}
	var got []event.Body
	for range want {
		got = append(got, <-told)
	}
	stop()
	<-ended
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

package store

import (
	"context"
	"fmt"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
)

// User is a container of an image.
type User struct {
	Namespace, Pod, UID, Container string
	// Runs says that it has a process, as one that ended has not.
	Runs bool
}

// Users are the containers of an image, whether they run or not.
func (n *Node) Users(ctx context.Context, name string) ([]User, error) {
	ctx = namespaces.WithNamespace(ctx, Namespace)
	i, err := n.client.ImageService().Get(ctx, name)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	listed, err := n.client.ContainerService().List(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask containerd for its containers: %w", err)
	}
	running, err := n.client.TaskService().List(ctx, &tasks.ListTasksRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask containerd for its tasks: %w", err)
	}
	runs := map[string]bool{}
	for _, t := range running.GetTasks() {
		runs[t.GetID()] = t.GetStatus() != task.Status_STOPPED
	}
	var out []User
	for _, c := range listed {
		used, err := n.client.ImageService().Get(ctx, c.Image)
		if err != nil || used.Target.Digest != i.Target.Digest {
			continue
		}
		out = append(out, User{
			Namespace: c.Labels["io.kubernetes.pod.namespace"], Pod: c.Labels["io.kubernetes.pod.name"], UID: c.Labels["io.kubernetes.pod.uid"],
			Container: c.Labels["io.kubernetes.container.name"], Runs: runs[c.ID],
		})
	}
	return out, nil
}

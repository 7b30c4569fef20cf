package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"workbench/runtime/image/store"
)

// leaveTimeout is how long to wait for containers of deleted pods to end, and
// lingerTimeout for those that ended to be removed: the kubelet does so at once, or
// within a minute. Until then what they were made from stays on the node's disk.
const (
	leaveTimeout  = 20 * time.Second
	lingerTimeout = 3 * time.Second
)

// mirrored is the annotation of a static pod's mirror with the UID of the pod.
const mirrored = "kubernetes.io/config.hash"

// use is why a container keeps an image from being removed.
type use int

const (
	unused    use = iota // its pod is over, and it does not run
	lingering            // its pod is gone, and it is there still
	leaving              // its pod is gone or being deleted, and it runs still
	inUse
)

// useOf judges a container by its pod, which is nil where the API has none of its
// name.
func useOf(u store.User, pod *core.Pod) use {
	is := pod != nil && (string(pod.UID) == u.UID || pod.Annotations[mirrored] == u.UID)
	switch {
	case is && pod.DeletionTimestamp == nil && (u.Runs || pod.Status.Phase != core.PodSucceeded && pod.Status.Phase != core.PodFailed):
		return inUse
	case u.Runs || is && pod.DeletionTimestamp != nil:
		return leaving
	case !is:
		return lingering
	}
	return unused
}

// awaitUnused refuses to remove what pods use: one that is started again there could
// not get it. It waits for those that are on their way out.
func (o *operation) awaitUnused(ctx context.Context, name string) error {
	if o.Yes {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	said, began := false, time.Now()
	for {
		used, left, lingers, err := o.usersOf(ctx, name)
		switch {
		case err != nil:
			return err
		case len(used) > 0:
			return fmt.Errorf("remove %s: in use by %s; delete the pods first, or remove it all the same with --force", name, strings.Join(used, ", "))
		case len(left) == 0 && (!lingers || time.Since(began) > lingerTimeout):
			return nil
		case len(left) > 0 && !said:
			said = true
			o.say("wait for %s, of deleted pods", strings.Join(left, ", "))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("remove %s: waited %v for %s, of deleted pods; wait longer, or remove the image all the same with --force", name, leaveTimeout, strings.Join(left, ", "))
		}
	}
}

// usersOf are the containers that use an image, those that will not for long, and
// whether others are there still that did.
func (o *operation) usersOf(ctx context.Context, name string) (used, left []string, lingers bool, err error) {
	users, _ := onWorkers(o.Supervisor, func(_ string, n *store.Node) ([]store.User, error) { return n.Users(ctx, name) })
	for node, containers := range users {
		for _, u := range containers {
			pod, err := o.podOf(ctx, u)
			if err != nil {
				return nil, nil, false, err
			}
			says := fmt.Sprintf("%s/%s on %s (container %s", u.Namespace, u.Pod, node, u.Container)
			switch runs := map[bool]string{true: ", which runs)", false: ", which has ended)"}[u.Runs]; useOf(u, pod) {
			case inUse:
				used = append(used, says+runs)
			case leaving:
				left = append(left, says+runs)
			case lingering:
				lingers = true
			case unused:
			}
		}
	}
	slices.Sort(used)
	slices.Sort(left)
	return used, left, lingers, nil
}

// podOf asks the API, which knows sooner than those who watch it, for the pod of a
// container; nil where it has none of that name.
func (o *operation) podOf(ctx context.Context, u store.User) (*core.Pod, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, apiTimeout, errors.New("the API does not answer"))
	defer cancel()
	pod, err := client.CoreV1().Pods(u.Namespace).Get(ctx, u.Pod, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask the API whether %s/%s is there still: %w; remove the image all the same with --force", u.Namespace, u.Pod, err)
	}
	return pod, nil
}

package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubectl/pkg/drain"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/state"
)

// cordonMark is the annotation of nodes that a fault cordoned, so that a later
// run of the lab can tell them from those that somebody cordoned otherwise.
const cordonMark = "workbench.local/cordoned-by-fault"

// apiTimeout bounds one request to the cluster's API.
const apiTimeout = 5 * time.Second

// keepCordons makes spec.unschedulable of nodes follow the faults, whenever the
// API answers, until ctx ends. It works apart from all other faults, which never
// wait for the API.
func (s *Supervisor) keepCordons(ctx context.Context, cfg *rest.Config) error {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	var have map[string]bool
	for {
		pending := false
		if have == nil {
			have = s.marked(ctx, client) // by a supervisor that was killed
			pending = have == nil
		}
		d := s.faults.desired()
		for _, n := range s.current().Nodes {
			if have == nil {
				break
			}
			want := d.Node(n.Name).Cordoned
			if want == have[n.Name] {
				continue
			}
			if err := setCordon(ctx, client, n.Name, want); err != nil {
				pending = true
				continue
			}
			have[n.Name] = want
		}
		wait := time.Hour
		if pending {
			wait = retryEvery
		}
		if s.awaitCordons(ctx, wait) != nil {
			return nil
		}
	}
}

// awaitCordons waits until faults changed, or for a while.
func (s *Supervisor) awaitCordons(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.faults.cordon:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// marked are the nodes that carry the mark; nil when the API does not answer.
func (s *Supervisor) marked(ctx context.Context, client kubernetes.Interface) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	nodes, err := client.CoreV1().Nodes().List(ctx, meta.ListOptions{})
	if err != nil {
		return nil
	}
	have := map[string]bool{}
	for _, n := range nodes.Items {
		if _, ok := n.Annotations[cordonMark]; ok {
			have[n.Name] = true
		}
	}
	return have
}

func setCordon(ctx context.Context, client kubernetes.Interface, name string, cordoned bool) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	node, err := client.CoreV1().Nodes().Get(ctx, name, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil // a control plane without a kubelet
	}
	if err != nil {
		return err
	}
	// Who cordoned it otherwise means it to stay so.
	if _, ours := node.Annotations[cordonMark]; cordoned == node.Spec.Unschedulable || !cordoned && !ours {
		return nil
	}
	var mark any // null deletes it
	if cordoned {
		mark = "true"
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{cordonMark: mark}},
		"spec":     map[string]any{"unschedulable": cordoned},
	})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, patch, meta.PatchOptions{})
	return err
}

// verifyCordon looks at what the API's watch says of the node; a drain is over
// when no pod is left that can be evicted.
func (s *Supervisor) verifyCordon(a activeFault, name string) finding {
	f := s.await(a.ctx, 15*time.Second, func() (finding, bool) {
		var known, cordoned bool
		s.rec.See(func(w *state.World) {
			if n := w.Kube.Nodes[name]; n != nil {
				known, cordoned = true, n.Unschedulable
			}
		})
		switch {
		case cordoned:
			return landed("the API has it unschedulable"), true
		case !known:
			return inconclusive("it is no Node of the cluster"), true
		}
		return inconclusive("the API has not said so within 15 s; it is tried again"), false
	})
	if f.verdict != event.FaultLanded || a.Kind != fault.Drain {
		return f
	}
	return s.drain(a, name)
}

// drain evicts the pods of a node and says what came of it.
func (s *Supervisor) drain(a activeFault, name string) finding {
	count, err := s.evict(a.ctx, name)
	if err != nil {
		return mismatch("%v", err)
	}
	return landed("the API has it unschedulable, and %s evicted", plural(count, "pod was", "pods were"))
}

// client is a client of the cluster's API.
func (s *Supervisor) client() (*kubernetes.Clientset, error) {
	cfg, err := s.clientConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(cfg)
}

// evict evicts the pods of a node, as kubectl drain does, and returns how many.
func (s *Supervisor) evict(ctx context.Context, name string) (int, error) {
	client, err := s.client()
	if err != nil {
		return 0, err
	}
	helper := &drain.Helper{
		Ctx: ctx, Client: client, Force: true, GracePeriodSeconds: -1, IgnoreAllDaemonSets: true, DeleteEmptyDirData: true,
		Timeout: drainTimeout, Out: io.Discard, ErrOut: io.Discard,
	}
	list, problems := helper.GetPodsForDeletion(name)
	if err := errors.Join(problems...); err != nil {
		return 0, err
	}
	count := len(list.Pods())
	if err := helper.DeleteOrEvictPods(list.Pods()); err != nil {
		return count, fmt.Errorf("evict %d pods: %w", count, err)
	}
	return count, nil
}

// drainTimeout bounds how long evicted pods may take to go.
const drainTimeout = time.Minute

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

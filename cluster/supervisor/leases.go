package supervisor

import (
	"context"
	"errors"
	"fmt"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// releaseLeases frees the leader leases that the last run of the lab left:
// their holders died with it, which nobody in the cluster can know, so that all
// controllers would stand still until the leases expire 15 s later. It does
// what a leader does that steps down in order (client-go's ReleaseOnCancel).
func (s *Supervisor) releaseLeases(ctx context.Context, cfg *rest.Config) error {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	var started meta.MicroTime
	s.rec.See(func(w *state.World) { started = meta.NewMicroTime(w.Started) })
	leases := client.CoordinationV1().Leases("kube-system")
	var errs []error
	for _, name := range []string{"kube-controller-manager", "kube-scheduler", "cloud-controller-manager"} {
		lease, err := leases.Get(ctx, name, meta.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !abandoned(lease, started) {
			continue
		}
		title := fmt.Sprintf("Release lease %s of dead %s", name, *lease.Spec.HolderIdentity)
		lease.Spec.HolderIdentity = new(string)
		if _, err := leases.Update(ctx, lease, meta.UpdateOptions{}); err != nil {
			errs = append(errs, err)
			continue
		}
		s.rec.Emit(event.StepStarted{ID: "lease/" + name, Title: title, Index: len(s.current().Steps), Total: len(s.current().Steps)})
		s.rec.Emit(event.StepDone{ID: "lease/" + name})
	}
	return errors.Join(errs...)
}

// abandoned says that a lease is held by a process of an earlier run.
func abandoned(lease *coordination.Lease, started meta.MicroTime) bool {
	spec := lease.Spec
	return spec.HolderIdentity != nil && *spec.HolderIdentity != "" && spec.RenewTime != nil && spec.RenewTime.Before(&started)
}

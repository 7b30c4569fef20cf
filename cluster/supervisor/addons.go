package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"workbench/cluster/addon"
	"workbench/cluster/pki"
	"workbench/cluster/plan"
	"workbench/cluster/spec"
	"workbench/cluster/state"
	"workbench/cluster/storage"
	"workbench/runtime/image"
	"workbench/runtime/node"
)

// Installing addons is tried again until it works: a new API server answers
// before it has made the namespaces and roles that every cluster has. One that
// answers has no more than refusedTimeout for that; one that does not is slow.
const (
	addonRetry     = 200 * time.Millisecond
	refusedTimeout = time.Minute
)

// installAddons makes the addons' objects; their pods start when they can.
func (s *Supervisor) installAddons(ctx context.Context) error {
	cfg, err := s.clientConfig()
	if err != nil {
		return err
	}
	addons := addon.Config{
		Addons: s.current().Addons, Provisioner: storage.Name, Domain: plan.Domain, DNS: s.current().DNS, CoreDNS: image.CoreDNS, Replicas: min(len(s.workers()), 2),
		Forwarder: s.current().Gateway.Addr().String(), Taps: filepath.Dir(node.PodTap),
	}
	if s.plan.Addons.Metrics {
		if addons.Metrics, err = s.metricsServer(); err != nil {
			return err
		}
	}
	return persist(ctx, func(ctx context.Context) error { return addon.Install(ctx, cfg, addons) })
}

// addonPatience bounds how long the other control planes wait for the addons' pods,
// which they would compete with; those may never run, where no node takes them.
const addonPatience = 15 * time.Second

func (s *Supervisor) awaitAddons(ctx context.Context) error {
	limited, stop := context.WithTimeout(ctx, addonPatience)
	defer stop()
	err := s.rec.Await(limited, func(w *state.World) (bool, error) { return podsReady(w, s.current().Addons), nil })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.log.Info("the addons' pods are not Ready; go on", "after", addonPatience)
	}
	return nil
}

// podsReady says whether all pods of the addons are Ready.
func podsReady(w *state.World, addons spec.Addons) bool {
	for name, wanted := range map[string]bool{addon.DNSName: addons.DNS, addon.MetricsName: addons.Metrics} {
		d := w.Kube.Deployments[metav1.NamespaceSystem+"/"+name]
		if wanted && (d == nil || d.Replicas == 0 || d.Ready < d.Replicas) {
			return false
		}
	}
	return true
}

// persist does something at the API until it works, or the API refuses it for too
// long.
func persist(ctx context.Context, do func(context.Context) error) error {
	var last error
	var refused time.Time // since when
	err := wait.PollUntilContextTimeout(ctx, addonRetry, slowTimeout, true, func(ctx context.Context) (bool, error) {
		err := do(ctx)
		switch answer := apierrors.APIStatus(nil); {
		case err == nil:
			return true, nil
		case ctx.Err() != nil && last != nil:
			return false, nil // last says more
		case !errors.As(err, &answer) || overloaded(err):
			refused = time.Time{}
		case refused.IsZero():
			refused = time.Now()
		case time.Since(refused) > refusedTimeout:
			return false, fmt.Errorf("refused for %v: %w", refusedTimeout, err)
		}
		last = err
		return false, nil
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if wait.Interrupted(err) && last != nil {
		return fmt.Errorf("not done within %s: %w", slowTimeout, last)
	}
	return err
}

// overloaded says that the API would have done what it was asked, with more time.
func overloaded(err error) bool {
	return apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err)
}

// metricsServer is what metrics-server runs with.
func (s *Supervisor) metricsServer() (addon.Metrics, error) {
	m := addon.Metrics{Image: image.MetricsServer, Program: image.KubeProgram}
	for file, to := range map[string]*[]byte{"ca.crt": &m.CA, pki.MetricsServer + ".crt": &m.Cert, pki.MetricsServer + ".key": &m.Key} {
		raw, err := os.ReadFile(filepath.Join(s.place.PKI(), file))
		if err != nil {
			return addon.Metrics{}, fmt.Errorf("read the certificate of metrics-server: %w", err)
		}
		*to = raw
	}
	return m, nil
}

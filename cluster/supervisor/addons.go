package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"workbench/cluster/addon"
	"workbench/cluster/pki"
	"workbench/cluster/plan"
	"workbench/cluster/storage"
	"workbench/runtime/image"
	"workbench/runtime/node"
)

// Installing addons is tried again until it works: a new API server answers
// before it has made the namespaces and roles that every cluster has.
const (
	addonRetry   = 200 * time.Millisecond
	addonTimeout = time.Minute
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
	var last error
	err = wait.PollUntilContextTimeout(ctx, addonRetry, addonTimeout, true, func(ctx context.Context) (bool, error) {
		last = addon.Install(ctx, cfg, addons)
		return last == nil, nil
	})
	if err != nil && last != nil {
		return fmt.Errorf("not done within %s: %w", addonTimeout, last)
	}
	return err
}

// metricsServer is what metrics-server runs with.
func (s *Supervisor) metricsServer() (addon.Metrics, error) {
	m := addon.Metrics{Image: image.MetricsServer, Program: image.WorkbenchProgram}
	for file, to := range map[string]*[]byte{"ca.crt": &m.CA, pki.MetricsServer + ".crt": &m.Cert, pki.MetricsServer + ".key": &m.Key} {
		raw, err := os.ReadFile(filepath.Join(s.place.PKI(), file))
		if err != nil {
			return addon.Metrics{}, fmt.Errorf("read the certificate of metrics-server: %w", err)
		}
		*to = raw
	}
	return m, nil
}

package pki

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"workbench/cluster/kubeconfig"
)

// Node is one node that needs credentials.
type Node struct {
	Name string
	// IP is the node's address, in every serving certificate of it.
	IP           string
	ControlPlane bool
	// Root is the node's root directory on the host; its files go below
	// Root/etc/kubernetes. Links in it cannot lead writes out of it.
	Root string
}

// Config says for whom credentials are made.
type Config struct {
	// Dir is the lab's own directory: authorities with their keys, and the
	// credentials of the user and the supervisor.
	Dir   string
	Nodes []Node
	// ServiceIP is the cluster IP of the service "kubernetes", such as 10.96.0.1.
	ServiceIP string
	// Domain is the cluster domain, such as cluster.local.
	Domain string
	// APIServerURL is how the host reaches the API, such as https://127.0.0.1:6443.
	APIServerURL string
	// Cluster is the lab's name; cluster and context are named workbench-<Cluster>.
	Cluster string
	// Now tells the time; nil is time.Now.
	Now func() time.Time
}

func (c *Config) validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Dir == "" {
		refuse("no directory")
	}
	if c.Cluster == "" {
		refuse("no cluster name")
	}
	if c.Domain == "" {
		refuse("no cluster domain")
	}
	if net.ParseIP(c.ServiceIP) == nil {
		refuse("service IP %q is no IP address", c.ServiceIP)
	}
	if u, err := url.Parse(c.APIServerURL); err != nil || u.Scheme != "https" || u.Hostname() == "" {
		refuse("API server URL %q is not of the form https://host:port", c.APIServerURL)
	}
	seen := map[string]bool{}
	for _, n := range c.Nodes {
		if n.Name == "" || n.Root == "" || net.ParseIP(n.IP) == nil {
			refuse("node %q (IP %q, root %q) needs a name, an IP address and a root directory", n.Name, n.IP, n.Root)
		}
		if seen[n.Name] {
			refuse("node %q is listed twice", n.Name)
		}
		seen[n.Name] = true
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return errors.Join(errs...)
}

// clusterName is the name of the cluster in kubeconfigs.
func (c *Config) clusterName() string { return kubeconfig.Name(c.Cluster) }

// Ensure makes what is missing or no longer right, and leaves the rest
// untouched. It must not run twice at the same time on one Dir. When ctx ends
// midway, whole files are left and the next call completes them.
func Ensure(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	lab, err := openStore(cfg.Dir, ".", 0o700)
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	defer lab.Close()
	trust, err := ensureTrust(ctx, lab, cfg.Now())
	if err != nil {
		return fmt.Errorf("make certificates of lab %s: %w", cfg.Cluster, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := labLayout(&cfg).ensure(ctx, lab, trust, cfg.Now()); err != nil {
			return fmt.Errorf("make certificates of lab %s: %w", cfg.Cluster, err)
		}
		return nil
	})
	for _, n := range cfg.Nodes {
		group.Go(func() error {
			if err := ensureNode(ctx, &cfg, n, trust); err != nil {
				return fmt.Errorf("make certificates of node %s: %w", n.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func ensureNode(ctx context.Context, cfg *Config, n Node, trust *trust) error {
	node, err := openStore(n.Root, filepath.Join("etc", "kubernetes"), 0o755)
	if err != nil {
		return err
	}
	defer node.Close()
	layout := workerLayout(cfg, n)
	if n.ControlPlane {
		layout = controlPlaneLayout(cfg, n)
	}
	return layout.ensure(ctx, node, trust, cfg.Now())
}

package supervisor

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/cloud"
	"workbench/cluster/event"
	"workbench/cluster/plan"
	"workbench/cluster/state"
	"workbench/runtime/fabric"
)

// openCloud reads what the cluster asked of the lab before.
func (s *Supervisor) openCloud() error {
	if !s.current().LoadBalancers.IsValid() {
		return nil
	}
	if err := os.MkdirAll(s.place.Cloud(), 0o700); err != nil {
		return fmt.Errorf("open the cloud: %w", err)
	}
	var err error
	s.cloud, err = cloud.Open(cloud.Config{
		Range: s.current().LoadBalancers, File: s.place.CloudTable(), Instances: s.instances, Network: cloudNetwork{s},
	})
	return err
}

// startCloud makes the network as the cluster left it, and serves the cloud's
// API until the lab goes down.
func (s *Supervisor) startCloud() error {
	if s.cloud == nil {
		return nil
	}
	if err := fabric.Forward(s.labNet); err != nil {
		return err
	}
	s.balancers = newBalancers(s)
	if err := s.cloud.Restore(); err != nil {
		return err
	}
	s.sources.Go(func() { s.balancers.keep(s.background) })
	listener, err := api.Listen(filepath.Join(s.place.Cloud(), filepath.Base(plan.CloudSocket)))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: cloud.Handler(s.cloud), ReadHeaderTimeout: 5 * time.Second}
	s.sources.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("serve the cloud's API", "cause", err)
		}
	})
	s.sources.Go(func() {
		<-s.background.Done()
		_ = server.Close()
		_ = os.Remove(filepath.Join(s.place.Cloud(), filepath.Base(plan.CloudSocket)))
	})
	return nil
}

// instances are the nodes of the lab. One that was killed or stopped has no
// power; one that is paused has, and answers nobody.
func (s *Supervisor) instances() []cloud.Instance {
	var all []cloud.Instance
	s.rec.See(func(w *state.World) {
		for _, n := range s.current().Nodes {
			off := true
			if host := w.Nodes[n.Name]; host != nil {
				off = host.State == event.NodeKilled || host.State == event.NodeStopped
			}
			all = append(all, cloud.Instance{
				ID: s.place.Name + "/" + n.Name, Name: n.Name, Address: n.Address, Type: instanceType(n), Shutdown: off,
			})
		}
	})
	return all
}

// instanceType is the size of a node, as the value of a label can have it.
func instanceType(n plan.Node) string {
	if n.CPUs == 0 && n.Memory == 0 {
		return "machine"
	}
	size := "machine-cpu"
	if n.CPUs > 0 {
		size = fmt.Sprintf("%gcpu", float64(n.CPUs))
	}
	if n.Memory > 0 {
		return fmt.Sprintf("%s-%dMi", size, int64(n.Memory)>>20)
	}
	return size
}

// cloudNetwork is the lab's network, as its cloud programs it.
type cloudNetwork struct{ s *Supervisor }

// Route implements cloud.Network.
func (c cloudNetwork) Route(routes map[netip.Prefix]string) error {
	to := map[netip.Prefix]netip.Addr{}
	for cidr, node := range routes {
		if n, err := c.s.planned(node); err == nil { // a node that was removed has none
			to[cidr] = n.Address
		}
	}
	return c.s.routePods(to)
}

// Balance implements cloud.Network.
func (c cloudNetwork) Balance(have map[string]cloud.Balancer) error { return c.s.balancers.set(have) }

package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"workbench/cluster/layout"
	"workbench/cluster/state"
	"workbench/runtime/fabric"
	"workbench/runtime/namespace"
)

// routes are the ways to the pods' networks that every node has. Who decides
// them is the cloud-controller-manager, through the lab's cloud; in a lab
// without one, keepPodNetwork.
type routes struct {
	turn sync.Mutex // held while they are made, so that the last wanted are the last made
	to   map[netip.Prefix]netip.Addr
}

// routePods makes the routes of all nodes, and of the fabric, exactly those.
func (s *Supervisor) routePods(to map[netip.Prefix]netip.Addr) error {
	s.routes.turn.Lock()
	defer s.routes.turn.Unlock()
	s.routes.to = to
	s.mu.Lock()
	connected := map[string]*machine{}
	for name, m := range s.nodes {
		if m.connected {
			connected[name] = m
		}
	}
	s.mu.Unlock()
	var errs []error
	for name, m := range connected {
		if err := s.routeNode(name, m); err != nil && s.runs(name, m) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, fabric.Routes(s.labNet, to))...)
}

// connect gives a new node its routes, and from now on all changes of them.
func (s *Supervisor) connect(name string, m *machine) error {
	s.routes.turn.Lock()
	defer s.routes.turn.Unlock()
	s.mu.Lock()
	m.connected = true
	s.mu.Unlock()
	return s.routeNode(name, m)
}

// routeNode makes the routes of one node: to all networks but its own. Callers
// have the turn.
func (s *Supervisor) routeNode(name string, m *machine) error {
	n, err := s.planned(name)
	if err != nil {
		return err
	}
	to := maps.Clone(s.routes.to)
	maps.DeleteFunc(to, func(_ netip.Prefix, via netip.Addr) bool { return via == n.Address })
	ns, err := namespace.NetOf(m.handle.PID)
	if err != nil {
		return fmt.Errorf("route pods of %s: %w", name, err)
	}
	defer ns.Close()
	return fabric.Routes(ns, to)
}

// runs says whether a node still has that init.
func (s *Supervisor) runs(name string, m *machine) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodes[name] == m
}

// podNetworks are those of all nodes and where they are, as the API has them.
func (s *Supervisor) podNetworks(w *state.World) map[netip.Prefix]netip.Addr {
	at := map[netip.Prefix]netip.Addr{}
	for _, n := range s.current().Nodes {
		if kube := w.Kube.Nodes[n.Name]; kube != nil {
			if cidr, ok := prefixOf(kube.PodCIDR); ok {
				at[cidr] = n.Address
			}
		}
	}
	return at
}

// keepPodNetwork writes a node's CNI configuration whenever the API gives it a
// pod network, and without a cloud also makes the routes. It works until ctx ends.
func (s *Supervisor) keepPodNetwork(ctx context.Context) {
	var done map[netip.Prefix]netip.Addr
	for {
		var now map[netip.Prefix]netip.Addr
		err := s.rec.Await(ctx, func(w *state.World) (bool, error) {
			now = s.podNetworks(w)
			for cidr, at := range now {
				if done[cidr] != at {
					return true, nil
				}
			}
			return false, nil
		})
		if err != nil {
			return
		}
		if err := s.applyPodNetwork(now); err != nil {
			s.log.Error("set up pod network", "cause", err)
		}
		done = now
	}
}

// reroute makes the pod network anew for the nodes that the lab has now.
func (s *Supervisor) reroute() error {
	var at map[netip.Prefix]netip.Addr
	s.rec.See(func(w *state.World) { at = s.podNetworks(w) })
	err := s.applyPodNetwork(at)
	if s.cloud != nil {
		err = errors.Join(err, s.cloud.Restore())
	}
	return err
}

func (s *Supervisor) applyPodNetwork(at map[netip.Prefix]netip.Addr) error {
	var errs []error
	for cidr, address := range at {
		for _, n := range s.current().Nodes {
			if n.Address == address {
				errs = append(errs, writeCNI(s.place, n.Name, cidr))
			}
		}
	}
	if s.cloud == nil {
		errs = append(errs, s.routePods(at))
	}
	return errors.Join(errs...)
}

// writeCNI gives a node's containerd the network of its pods: upstream's
// bridge, host-local and portmap plugins. MTU and addresses are the kernel's
// and the plugins' defaults.
func writeCNI(place layout.Lab, name string, cidr netip.Prefix) error {
	conf := map[string]any{
		"cniVersion": "1.0.0",
		"name":       "workbench",
		"plugins": []map[string]any{
			{
				"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
				"ipam": map[string]any{
					"type":   "host-local",
					"ranges": [][]map[string]string{{{"subnet": cidr.String()}}},
					"routes": []map[string]string{{"dst": "0.0.0.0/0"}},
				},
			},
			{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
		},
	}
	raw, err := json.MarshalIndent(conf, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Join(place.Root(name), "etc/cni/net.d")
	file := filepath.Join(dir, "10-workbench.conflist")
	if have, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(have)) == string(raw) {
		return nil
	}
	return layout.WriteFile(file, append(raw, '\n'), 0o644)
}

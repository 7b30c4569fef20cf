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

	"workbench/cluster/layout"
	"workbench/cluster/state"
	"workbench/runtime/fabric"
	"workbench/runtime/namespace"
)

// podRoutes are the pod networks of all nodes and where they are, as the API
// has them.
func (s *Supervisor) podRoutes() map[netip.Prefix]netip.Addr {
	routes := map[netip.Prefix]netip.Addr{}
	s.rec.See(func(w *state.World) {
		for _, n := range s.current().Nodes {
			kube := w.Kube.Nodes[n.Name]
			if kube == nil {
				continue
			}
			if cidr, ok := prefixOf(kube.PodCIDR); ok {
				routes[cidr] = n.Address
			}
		}
	})
	return routes
}

// routeNode sets the pod routes of one node: to all networks but its own.
func (s *Supervisor) routeNode(name string, pid int) error {
	n, err := s.planned(name)
	if err != nil {
		return err
	}
	routes := s.podRoutes()
	maps.DeleteFunc(routes, func(_ netip.Prefix, via netip.Addr) bool { return via == n.Address })
	ns, err := namespace.NetOf(pid)
	if err != nil {
		return fmt.Errorf("route pods of %s: %w", name, err)
	}
	defer ns.Close()
	return fabric.Routes(ns, routes)
}

// keepPodNetwork is the controller of the pod network: whenever the API gives a
// node a pod network, it writes the node's CNI configuration and the routes of
// all nodes. It works until ctx ends.
func (s *Supervisor) keepPodNetwork(ctx context.Context) {
	var done map[netip.Prefix]netip.Addr
	for {
		err := s.rec.Await(ctx, func(w *state.World) (bool, error) {
			want := 0
			for _, n := range s.current().Nodes {
				kube := w.Kube.Nodes[n.Name]
				if kube == nil {
					continue
				}
				cidr, ok := prefixOf(kube.PodCIDR)
				if !ok {
					continue
				}
				want++
				if done[cidr] != n.Address {
					return true, nil
				}
			}
			return false, nil
		})
		if err != nil {
			return
		}
		routes := s.podRoutes()
		if err := s.applyPodNetwork(routes); err != nil {
			s.log.Error("set up pod network", "cause", err)
		}
		done = routes
	}
}

func (s *Supervisor) applyPodNetwork(routes map[netip.Prefix]netip.Addr) error {
	var errs []error
	for cidr, via := range routes {
		for _, n := range s.current().Nodes {
			if n.Address == via {
				errs = append(errs, writeCNI(s.place, n.Name, cidr))
			}
		}
	}
	s.mu.Lock()
	running := map[string]int{}
	for name, m := range s.nodes {
		running[name] = m.handle.PID
	}
	s.mu.Unlock()
	for name, pid := range running {
		errs = append(errs, s.routeNode(name, pid))
	}
	errs = append(errs, fabric.Routes(s.labNet, routes))
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

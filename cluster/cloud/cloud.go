// Package cloud is the lab as a cloud to its cluster: its nodes are instances,
// it routes the pods' networks to them, and its load balancers have addresses
// on the fabric. What a cloud-controller-manager asked for is a table that
// outlives it; the network is made to follow the table.
//
//	cloud-controller-manager --Client--> socket --Handler--> Cloud --Network--> routes of all nodes
//	                                                           '--> file, read when the lab comes back
package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"

	"workbench/cluster/layout"
)

// Instance is a node of the lab as its cloud knows it.
type Instance struct {
	ID      string     `json:"id"` // LAB/NODE
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
	// Type is its size.
	Type string `json:"type"`
	// Shutdown says that its power is off.
	Shutdown bool `json:"shutdown"`
}

// Route leads a network of pods to an instance.
type Route struct {
	CIDR netip.Prefix `json:"cidr"`
	Node string       `json:"node"`
}

// Balancer is a load balancer: an address, and the instances it sends what
// comes there to, whatever the port. kube-proxy on them does the rest.
type Balancer struct {
	ID string `json:"id"`
	// Service is namespace/name, for people.
	Service string     `json:"service"`
	Address netip.Addr `json:"address"`
	Nodes   []string   `json:"nodes"`
	Check   Check      `json:"check"`
}

// Check is how an instance says that it can take a balancer's connections: by
// status 200 to GET http://NODE:PORT/PATH.
type Check struct {
	Port int    `json:"port"`
	Path string `json:"path"`
}

// Want is a balancer to have.
type Want struct {
	Balancer
	// Address to have, when that matters.
	Address netip.Addr `json:"address,omitzero"`
}

// Table is all that was asked of a cloud.
type Table struct {
	Routes    map[netip.Prefix]string `json:"routes"` // to nodes
	Balancers map[string]Balancer     `json:"balancers"`
}

// Network is what a cloud programs.
type Network interface {
	// Route makes the routes of the pods' networks exactly those.
	Route(routes map[netip.Prefix]string) error
	// Balance makes the load balancers exactly those.
	Balance(balancers map[string]Balancer) error
}

// Config of a cloud.
type Config struct {
	// Range is where balancers get addresses from.
	Range netip.Prefix
	// File keeps the table.
	File string
	// Instances are those that exist now.
	Instances func() []Instance
	Network   Network
}

// Cloud is safe for concurrent use.
type Cloud struct {
	cfg Config

	mu    sync.Mutex
	table Table
}

// The ways to be refused; the API has a status for each.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict")
)

// Open reads the table that an earlier run left. The network follows it with
// Restore.
func Open(cfg Config) (*Cloud, error) {
	c := &Cloud{cfg: cfg}
	raw, err := os.ReadFile(cfg.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the cloud's table: %w", err)
	}
	if err == nil {
		if err := json.Unmarshal(raw, &c.table); err != nil {
			return nil, fmt.Errorf("open the cloud's table %s: %w; delete it: Kubernetes asks for all again", cfg.File, err)
		}
	}
	c.table = c.table.clone()
	return c, nil
}

// clone is a copy with maps to write to.
func (t Table) clone() Table {
	out := Table{Routes: map[netip.Prefix]string{}, Balancers: map[string]Balancer{}}
	maps.Copy(out.Routes, t.Routes)
	maps.Copy(out.Balancers, t.Balancers)
	return out
}

// Table is a copy of all that was asked for.
func (c *Cloud) Table() Table {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.table.clone()
}

// Restore makes the network as the table is.
func (c *Cloud) Restore() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.cfg.Network.Route(c.table.Routes), c.cfg.Network.Balance(c.table.Balancers))
}

// Instance of that name.
func (c *Cloud) Instance(name string) (Instance, error) {
	for _, i := range c.cfg.Instances() {
		if i.Name == name {
			return i, nil
		}
	}
	return Instance{}, fmt.Errorf("instance %q: %w", name, ErrNotFound)
}

// Routes are sorted by network.
func (c *Cloud) Routes() []Route {
	c.mu.Lock()
	defer c.mu.Unlock()
	routes := []Route{}
	for cidr, node := range c.table.Routes {
		routes = append(routes, Route{cidr, node})
	}
	slices.SortFunc(routes, func(a, b Route) int { return a.CIDR.Compare(b.CIDR) })
	return routes
}

// SetRoute makes a route, or leads it elsewhere.
func (c *Cloud) SetRoute(r Route) error {
	if !r.CIDR.IsValid() || !r.CIDR.Addr().Is4() {
		return fmt.Errorf("route %s: not an IPv4 network: %w", r.CIDR, ErrConflict)
	}
	if _, err := c.Instance(r.Node); err != nil {
		return fmt.Errorf("route %s: %w", r.CIDR, err)
	}
	return c.change(func(t Table) { t.Routes[r.CIDR.Masked()] = r.Node })
}

// RemoveRoute is done as well when there is no such route.
func (c *Cloud) RemoveRoute(cidr netip.Prefix) error {
	return c.change(func(t Table) { delete(t.Routes, cidr.Masked()) })
}

// Balancer with that ID.
func (c *Cloud) Balancer(id string) (Balancer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.table.Balancers[id]
	if !ok {
		return Balancer{}, fmt.Errorf("load balancer %q: %w", id, ErrNotFound)
	}
	return b, nil
}

// SetBalancer makes a balancer, or changes it; its address stays, unless
// another one is wanted.
func (c *Cloud) SetBalancer(w Want) (Balancer, error) {
	if w.ID == "" || w.Check.Port < 1 || w.Check.Port > 65535 || !strings.HasPrefix(w.Check.Path, "/") {
		return Balancer{}, fmt.Errorf("load balancer %q with check %+v: incomplete: %w", w.ID, w.Check, ErrConflict)
	}
	b := w.Balancer
	slices.Sort(b.Nodes)
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if b.Address, err = c.address(w); err != nil {
		return Balancer{}, err
	}
	return b, c.changeLocked(func(t Table) { t.Balancers[b.ID] = b })
}

// RemoveBalancer is done as well when there is no such balancer.
func (c *Cloud) RemoveBalancer(id string) error {
	return c.change(func(t Table) { delete(t.Balancers, id) })
}

func (c *Cloud) change(edit func(Table)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changeLocked(edit)
}

// changeLocked changes the network, then the file, then the table: what failed
// was not done, and is asked for again.
func (c *Cloud) changeLocked(edit func(Table)) error {
	next := c.table.clone()
	edit(next)
	if reflect.DeepEqual(next, c.table) {
		return nil
	}
	if !maps.Equal(next.Routes, c.table.Routes) {
		if err := c.cfg.Network.Route(next.Routes); err != nil {
			return fmt.Errorf("program routes: %w", err)
		}
	} else if err := c.cfg.Network.Balance(next.Balancers); err != nil {
		return fmt.Errorf("program load balancers: %w", err)
	}
	raw, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	if err := layout.WriteFile(c.cfg.File, append(raw, '\n'), 0o600); err != nil {
		return err
	}
	c.table = next
	return nil
}

package supervisor

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"workbench/cluster/cloud"
	"workbench/runtime/fabric"
)

// How often a load balancer asks its nodes whether they take connections, and how
// long an answer may take.
const (
	balanceEvery   = time.Second
	balanceTimeout = time.Second
)

// balancers are the cloud's load balancers: for each a route from the fabric to
// those of its nodes that answer its check. Without one nothing is asked.
type balancers struct {
	s     *Supervisor
	http  *http.Client
	awake chan struct{} // a balancer came, went or changed

	mu   sync.Mutex
	all  map[string]cloud.Balancer
	down map[asked]bool // did not answer last time; a new one counts as up
	told map[netip.Addr][]netip.Addr
}

// asked is one check of one node.
type asked struct {
	node  string
	check cloud.Check
}

func newBalancers(s *Supervisor) *balancers {
	return &balancers{
		s: s, awake: make(chan struct{}, 1), down: map[asked]bool{},
		http: &http.Client{Timeout: balanceTimeout, Transport: &http.Transport{DialContext: s.labNet.DialContext, IdleConnTimeout: 3 * balanceEvery}},
	}
}

// set makes the balancers exactly those.
func (b *balancers) set(all map[string]cloud.Balancer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = maps.Clone(all)
	select {
	case b.awake <- struct{}{}:
	default:
	}
	return b.apply()
}

// apply makes the routes. Callers hold b.mu.
func (b *balancers) apply() error {
	want := map[netip.Addr][]netip.Addr{}
	for _, one := range b.all {
		want[one.Address] = nil
		for _, name := range one.Nodes {
			if n, err := b.s.planned(name); err == nil && !b.down[asked{name, one.Check}] {
				want[one.Address] = append(want[one.Address], n.Address)
			}
		}
	}
	if b.told != nil && reflect.DeepEqual(want, b.told) {
		return nil
	}
	if err := fabric.Balance(b.s.labNet, b.s.current().LoadBalancers, want); err != nil {
		return err
	}
	b.told = want
	return nil
}

// keep asks the nodes until ctx ends.
func (b *balancers) keep(ctx context.Context) {
	defer b.http.CloseIdleConnections()
	for {
		var again <-chan time.Time
		if targets := b.targets(); len(targets) > 0 {
			b.note(b.ask(ctx, targets))
			again = time.After(balanceEvery)
		}
		select {
		case <-ctx.Done():
			return
		case <-b.awake:
		case <-again:
		}
	}
}

func (b *balancers) targets() map[asked]netip.Addr {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[asked]netip.Addr{}
	for _, one := range b.all {
		for _, name := range one.Nodes {
			if n, err := b.s.planned(name); err == nil {
				all[asked{name, one.Check}] = n.Address
			}
		}
	}
	return all
}

// ask asks all at once and returns those that are down.
func (b *balancers) ask(ctx context.Context, targets map[asked]netip.Addr) map[asked]bool {
	var all sync.WaitGroup
	var mu sync.Mutex
	down := map[asked]bool{}
	for t, address := range targets {
		all.Go(func() {
			if err := b.get(ctx, netip.AddrPortFrom(address, uint16(t.check.Port)), t.check.Path); err != nil {
				mu.Lock()
				defer mu.Unlock()
				down[t] = true
			}
		})
	}
	all.Wait()
	return down
}

func (b *balancers) get(ctx context.Context, at netip.AddrPort, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.String()+path, nil)
	if err != nil {
		return err
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

func (b *balancers) note(down map[asked]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
	if err := b.apply(); err != nil && b.s.background.Err() == nil {
		b.s.log.Error("balance", "cause", err)
	}
}

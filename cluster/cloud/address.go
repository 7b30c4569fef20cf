package cloud

import (
	"fmt"
	"net/netip"
)

// address is the one a balancer has or gets: the first free one of the range.
// Callers hold c.mu.
func (c *Cloud) address(w Want) (netip.Addr, error) {
	taken := map[netip.Addr]string{}
	for id, b := range c.table.Balancers {
		if id != w.ID {
			taken[b.Address] = b.Service
		}
	}
	if w.Address.IsValid() {
		owner, used := taken[w.Address]
		switch {
		case !c.usable(w.Address):
			return netip.Addr{}, fmt.Errorf("address %s is not one of %s: %w", w.Address, c.cfg.Range, ErrConflict)
		case used:
			return netip.Addr{}, fmt.Errorf("address %s belongs to Service %s: %w", w.Address, owner, ErrConflict)
		}
		return w.Address, nil
	}
	if have, ok := c.table.Balancers[w.ID]; ok && c.usable(have.Address) {
		return have.Address, nil
	}
	for a := c.cfg.Range.Masked().Addr().Next(); c.usable(a); a = a.Next() {
		if _, used := taken[a]; !used {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("all addresses of %s are taken: %w; use a larger spec.network.loadBalancerCIDR", c.cfg.Range, ErrConflict)
}

// usable leaves the first and the last address of the range out, as networks do.
func (c *Cloud) usable(a netip.Addr) bool {
	return c.cfg.Range.Contains(a) && a != c.cfg.Range.Masked().Addr() && c.cfg.Range.Contains(a.Next())
}

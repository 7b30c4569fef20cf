package userspace

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Addresses are those that the node takes for its own.
type Addresses interface {
	// Set makes them exactly these.
	Set(wanted map[netip.Addr]bool) error
}

// Loopback keeps addresses on lo, which every network namespace has, each with
// a label by which it is known as one of these.
type Loopback struct{}

const (
	loopback = "lo"
	label    = "lo:svc"
)

// Set implements Addresses.
func (Loopback) Set(wanted map[netip.Addr]bool) error {
	lo, err := netlink.LinkByName(loopback)
	if err != nil {
		return fmt.Errorf("find %s: %w", loopback, err)
	}
	list, err := netlink.AddrList(lo, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("list addresses of %s: %w", loopback, err)
	}
	var errs []error
	have := map[netip.Addr]bool{}
	for _, one := range list {
		address, ok := netip.AddrFromSlice(one.IP.To4())
		if !ok || one.Label != label {
			continue
		}
		have[address] = wanted[address]
		if !wanted[address] {
			if err := netlink.AddrDel(lo, &one); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
				errs = append(errs, fmt.Errorf("remove %s from %s: %w", address, loopback, err))
			}
		}
	}
	for address := range wanted {
		if have[address] {
			continue
		}
		one := &netlink.Addr{IPNet: &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(32, 32)}, Label: label}
		if err := netlink.AddrAdd(lo, one); err != nil && !errors.Is(err, unix.EEXIST) {
			errs = append(errs, fmt.Errorf("add %s to %s: %w", address, loopback, err))
		}
	}
	return errors.Join(errs...)
}

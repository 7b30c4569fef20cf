package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
)

// Limit is a rate for what a device sends to one hardware address.
type Limit struct {
	MAC net.HardwareAddr // nil is everything else
	// Bits a second.
	Bits int64
}

// Numbers of the traffic control objects.
const (
	rootQdisc    = 1
	defaultClass = 0xfff
	firstClass   = 0x10
)

// SetRates makes the limits of a device in a namespace exactly those wanted, by
// an HTB queueing discipline with a class per limit; what has no limit passes
// untouched. Without any, the device has the kernel's own discipline again.
func SetRates(ns *namespace.Net, device string, limits []Limit) error {
	if err := setRates(ns, device, limits); err != nil {
		return fmt.Errorf("limit the rate of %s: %w", device, err)
	}
	return nil
}

func setRates(ns *namespace.Net, device string, limits []Limit) error {
	var handle *netlink.Handle
	err := ns.Do(func() error {
		var err error
		handle, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return err
	}
	defer handle.Close()
	dev, err := handle.LinkByName(device)
	if err != nil {
		return err
	}
	root := netlink.QdiscAttrs{LinkIndex: dev.Attrs().Index, Handle: netlink.MakeHandle(rootQdisc, 0), Parent: netlink.HANDLE_ROOT}
	htb := netlink.NewHtb(root)
	for _, l := range limits {
		if l.MAC == nil {
			htb.Defcls = defaultClass
		}
	}
	if err := handle.QdiscDel(htb); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	if len(limits) == 0 {
		return nil
	}
	if err := handle.QdiscAdd(htb); err != nil {
		return err
	}
	for i, l := range limits {
		if err := addLimit(handle, root, i, l); err != nil {
			return errors.Join(err, handle.QdiscDel(htb))
		}
	}
	return nil
}

// addLimit adds a class, and the filter that leads to it.
func addLimit(handle *netlink.Handle, root netlink.QdiscAttrs, i int, l Limit) error {
	minor := uint16(firstClass + i)
	if l.MAC == nil {
		minor = defaultClass
	}
	class := netlink.NewHtbClass(
		netlink.ClassAttrs{LinkIndex: root.LinkIndex, Parent: root.Handle, Handle: netlink.MakeHandle(rootQdisc, minor)},
		netlink.HtbClassAttrs{Rate: uint64(l.Bits), Ceil: uint64(l.Bits)},
	)
	if err := handle.ClassAdd(class); err != nil {
		return err
	}
	if l.MAC == nil {
		return nil
	}
	// The destination address is the first of the Ethernet header, which ends
	// where the offsets of u32 begin.
	filter := &netlink.U32{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: root.LinkIndex, Parent: root.Handle, Priority: 1, Protocol: unix.ETH_P_ALL,
		},
		ClassId: netlink.MakeHandle(rootQdisc, minor),
		Sel: &netlink.TcU32Sel{Flags: netlink.TC_U32_TERMINAL, Nkeys: 2, Keys: []netlink.TcU32Key{
			{Mask: 0x0000ffff, Val: uint32(binary.BigEndian.Uint16(l.MAC[:2])), Off: -16},
			{Mask: 0xffffffff, Val: binary.BigEndian.Uint32(l.MAC[2:6]), Off: -12},
		}},
	}
	return handle.FilterAdd(filter)
}

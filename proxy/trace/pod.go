package trace

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"workbench/runtime/namespace"
)

// PodNet opens the network namespace of the pod with an IP, on the node whose
// init has a PID.
func PodNet(pid int, ip netip.Addr) (*namespace.Net, error) {
	files, err := namespace.PodNets(pid)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		ns, err := namespace.NetAt(file)
		if err != nil {
			continue // the pod ends
		}
		has := false
		err = ns.Do(func() error {
			addresses, err := net.InterfaceAddrs()
			for _, a := range addresses {
				if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr() == ip {
					has = true
				}
			}
			return err
		})
		if has && err == nil {
			return ns, nil
		}
		if err := ns.Close(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("find the network of pod %s: %w", ip, errNoPod)
}

var errNoPod = errors.New("no pod of the node has that address")

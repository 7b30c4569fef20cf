// Package link makes the links of a node bad, and measures them.
//
//	packet from c1 ---> eth0 of c2 ---> mangle PREROUTING ---> WORKBENCH-FAULTS
//	                                                             -j DROP                cut
//	                                                             statistic ... DROP     loss
//	                                                             NFQUEUE n ---> Delayer delay, jitter
//	packet to c1   ---> eth0 of c2 ---> HTB class for c1                                rate
//
// All of it is in the network namespace of the node that receives (or, for a
// rate, sends) and ends with it. Packets are told apart by the sender's hardware
// address, which a node never changes: so a rule holds for whatever the node
// sends - from its own address, from its pods, to cluster addresses, on
// connections old and new. Mangle's PREROUTING comes before any rule of
// kube-proxy.
package link

import (
	"fmt"
	"net"
	"strconv"
)

// Chain is the chain of the rules, in Table.
const (
	Table = "mangle"
	Chain = "WORKBENCH-FAULTS"
	hook  = "PREROUTING"
)

// Inbound is what is to happen to packets of one sender.
type Inbound struct {
	Peer string // its name, for counters
	MAC  net.HardwareAddr
	Cut  bool
	Loss float64 // 0 to 1
	// Queue is the number of the queue that delays; 0 for none.
	Queue uint16
}

// Rule is one rule of the chain.
type Rule struct {
	Peer string
	// First says that it goes before those that end the walk through the chain.
	First bool
	Args  []string
}

// Rules are the rules for packets that come in on a device. Those of different
// senders do not touch each other, so their order does not matter beyond First.
func Rules(device string, in []Inbound) []Rule {
	var out []Rule
	for _, one := range in {
		from := []string{"-i", device, "-m", "mac", "--mac-source", one.MAC.String()}
		note := []string{"-m", "comment", "--comment", "from:" + one.Peer}
		add := func(first bool, args ...[]string) {
			r := Rule{Peer: one.Peer, First: first, Args: append([]string{}, from...)}
			for _, a := range args {
				r.Args = append(r.Args, a...)
			}
			out = append(out, r)
		}
		switch {
		case one.Cut || one.Loss >= 1:
			add(true, note, []string{"-j", "DROP"})
			continue
		case one.Loss > 0:
			add(true, []string{"-m", "statistic", "--mode", "random", "--probability", strconv.FormatFloat(one.Loss, 'f', 9, 64)}, note, []string{"-j", "DROP"})
		}
		if one.Queue > 0 {
			add(false, note, []string{"-j", "NFQUEUE", "--queue-num", fmt.Sprint(one.Queue), "--queue-bypass"})
		}
	}
	return out
}

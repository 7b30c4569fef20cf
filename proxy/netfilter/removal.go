package netfilter

import (
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
)

// Removals are the rules that are removed from a namespace, each with what its
// counter came to: who reads counters now and then misses nothing that was
// counted in between. It is used by one goroutine at a time.
type Removals struct {
	in    *Socket
	names names
}

// removalBuffer is the receive buffer: some ten thousand rules.
const removalBuffer = 8 << 20

// WatchRemovals begins to listen in a network namespace. The kernel keeps what it
// says until it is taken.
func WatchRemovals(ns *namespace.Net) (*Removals, error) {
	in, err := Subscribe(ns, removalBuffer, unix.NFNLGRP_NFTABLES)
	if err != nil {
		return nil, fmt.Errorf("listen to changes of rules: %w", err)
	}
	return &Removals{in: in, names: names{}}, nil
}

// Close closes the socket.
func (r *Removals) Close() error { return r.in.Close() }

// Take calls removed with the rules of IPv4 that were removed since it was last
// called, in order. Changed is true when there was any transaction at all, and
// missed when there was more than the buffer holds.
func (r *Removals) Take(removed func(table string, rule Rule)) (changed, missed bool, err error) {
	missed, err = r.in.Said(func(m netlink.Message) error {
		changed = true
		if m.Header.Type != message(unix.NFT_MSG_DELRULE) || len(m.Data) == 0 || m.Data[0] != unix.NFPROTO_IPV4 {
			return nil
		}
		rule, table, err := r.names.rule(m)
		if err == nil {
			removed(table, rule)
		}
		return err
	})
	return changed || missed, missed, err
}

package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
)

// Met is one rule, or the end of one chain, that a traced packet met.
type Met struct {
	At time.Time // when the message was received
	// Packet is the kernel's number of the packet on its way through this
	// namespace.
	Packet       uint32
	Table, Chain string
	Handle       uint64 // of the rule
	// Kind is rule, return or policy.
	Kind string
	// Verdict is continue, accept, drop, jump X, goto X, return, ...
	Verdict string
	// IIF and OIF are interface numbers, 0 where there is none.
	IIF, OIF uint32
	// Source, Destination and Sequence are of the packet's headers, which the
	// kernel shows once in each base chain; invalid addresses where it does not.
	Source, Destination netip.AddrPort
	Sequence            uint32 // of TCP
	Family              int32
}

// Tracer receives what traced packets of a namespace met.
type Tracer struct{ nl *netlink.Conn }

// Trace begins to receive. The kernel reports packets whose nftrace mark a rule
// has set; see package trace.
func Trace(ns *namespace.Net) (*Tracer, error) {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: ns.FD()})
	if err != nil {
		return nil, fmt.Errorf("open trace socket: %w", err)
	}
	if err := errors.Join(nl.SetReadBuffer(1<<20), nl.JoinGroup(unix.NFNLGRP_NFTRACE)); err != nil {
		return nil, errors.Join(fmt.Errorf("listen to traces: %w", err), nl.Close())
	}
	return &Tracer{nl: nl}, nil
}

// Close ends it.
func (t *Tracer) Close() error { return t.nl.Close() }

// Receive returns what arrived, and waits for more until the deadline at the
// longest; nothing is no error.
func (t *Tracer) Receive(deadline time.Time) ([]Met, error) {
	if err := t.nl.SetReadDeadline(deadline); err != nil {
		return nil, fmt.Errorf("receive traces: %w", err)
	}
	messages, err := t.nl.Receive()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("receive traces: %w", err)
	}
	var out []Met
	for _, m := range messages {
		if m.Header.Type != message(unix.NFT_MSG_TRACE) {
			continue
		}
		met, err := parseMet(m)
		if err != nil {
			return out, err
		}
		met.At = time.Now()
		out = append(out, met)
	}
	return out, nil
}

func parseMet(m netlink.Message) (Met, error) {
	var met Met
	ad, err := attributes(m)
	if err != nil {
		return met, err
	}
	var network, transport []byte
	policy := uint32(0)
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_TRACE_TABLE:
			met.Table = ad.String()
		case unix.NFTA_TRACE_CHAIN:
			met.Chain = ad.String()
		case unix.NFTA_TRACE_RULE_HANDLE:
			met.Handle = ad.Uint64()
		case unix.NFTA_TRACE_TYPE:
			met.Kind = map[uint32]string{unix.NFT_TRACETYPE_RULE: "rule", unix.NFT_TRACETYPE_RETURN: "return", unix.NFT_TRACETYPE_POLICY: "policy"}[ad.Uint32()]
		case unix.NFTA_TRACE_ID:
			met.Packet = ad.Uint32()
		case unix.NFTA_TRACE_VERDICT:
			ad.Nested(func(v *netlink.AttributeDecoder) error { met.Verdict = verdict(v); return nil })
		case unix.NFTA_TRACE_POLICY:
			policy = ad.Uint32()
		case unix.NFTA_TRACE_NETWORK_HEADER:
			network = ad.Bytes()
		case unix.NFTA_TRACE_TRANSPORT_HEADER:
			transport = ad.Bytes()
		case unix.NFTA_TRACE_IIF:
			met.IIF = ad.Uint32()
		case unix.NFTA_TRACE_OIF:
			met.OIF = ad.Uint32()
		case unix.NFTA_TRACE_NFPROTO:
			met.Family = int32(ad.Uint32())
		}
	}
	if met.Kind == "rule" && met.Handle == 0 {
		met.Kind = "return" // how newer kernels tell of the end of a chain
	}
	if met.Kind == "policy" {
		met.Verdict = code(int32(policy))
	}
	met.headers(network, transport)
	return met, ad.Err()
}

// headers reads addresses of IPv4, and ports and sequence number of TCP or UDP.
func (m *Met) headers(network, transport []byte) {
	if len(network) < 20 || network[0]>>4 != 4 || len(transport) < 4 {
		return
	}
	source, _ := netip.AddrFromSlice(network[12:16])
	destination, _ := netip.AddrFromSlice(network[16:20])
	m.Source = netip.AddrPortFrom(source, binary.BigEndian.Uint16(transport[0:]))
	m.Destination = netip.AddrPortFrom(destination, binary.BigEndian.Uint16(transport[2:]))
	if network[9] == unix.IPPROTO_TCP && len(transport) >= 8 {
		m.Sequence = binary.BigEndian.Uint32(transport[4:])
	}
}

func verdict(ad *netlink.AttributeDecoder) string {
	out, chain := "", ""
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_VERDICT_CODE:
			out = code(int32(ad.Uint32()))
		case unix.NFTA_VERDICT_CHAIN:
			chain = ad.String()
		}
	}
	if chain != "" {
		return out + " " + chain
	}
	return out
}

// code is a verdict of linux/netfilter.h and nf_tables.h in a word.
func code(v int32) string {
	names := map[int32]string{0: "drop", 1: "accept", 2: "stolen", 3: "queue", 4: "repeat", -1: "continue", -2: "break", -3: "jump", -4: "goto", -5: "return"}
	if name, ok := names[v]; ok {
		return name
	}
	return fmt.Sprintf("verdict %d", v)
}

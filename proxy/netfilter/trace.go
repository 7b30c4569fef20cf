package netfilter

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
)

// Met is one rule, or the end of one chain, that a traced packet met.
type Met struct {
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

// Tracer receives what traced packets of a namespace met. It is used by one
// goroutine at a time.
type Tracer struct{ in *Socket }

// traceBuffer is the receive buffer: some thousand rules met.
const traceBuffer = 1 << 20

// Trace begins to listen. The kernel reports packets whose nftrace mark a rule has
// set (see package trace), and keeps what it says until it is taken.
func Trace(ns *namespace.Net) (*Tracer, error) {
	in, err := Subscribe(ns, traceBuffer, unix.NFNLGRP_NFTRACE)
	if err != nil {
		return nil, fmt.Errorf("listen to traces: %w", err)
	}
	return &Tracer{in: in}, nil
}

// Close ends it.
func (t *Tracer) Close() error { return t.in.Close() }

// Take returns what packets have met since it was last called, in order, without
// waiting: the kernel says so before a packet goes on. Missed is true when there was
// more than the buffer holds.
func (t *Tracer) Take() (all []Met, missed bool, err error) {
	missed, err = t.in.Said(func(m netlink.Message) error {
		if m.Header.Type != message(unix.NFT_MSG_TRACE) {
			return nil
		}
		met, err := parseMet(m)
		if err == nil {
			all = append(all, met)
		}
		return err
	})
	return all, missed, err
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

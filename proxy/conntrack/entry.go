// Package conntrack follows the kernel's connection tracking inside a node's
// network namespace, and counts what it says per service and endpoint.
//
//	kernel --NEW, DESTROY--> Stream \
//	                                  > Ledger (pure): totals that never shrink
//	kernel --table-------> Table   /
//
// The kernel reports a connection once its first packet has left: by then the
// endpoint and the source address are chosen. It is the same in iptables and in
// nftables mode.
package conntrack

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Tuple is one direction of a connection.
type Tuple struct {
	Source, Destination netip.AddrPort
	Protocol            uint8 // IPPROTO_TCP, ...
}

// Entry is one tracked connection.
type Entry struct {
	// Original is the direction of the first packet, as its sender meant it.
	Original Tuple
	// Reply is what answers look like: its source is the endpoint that was chosen,
	// its destination the address that the endpoint sees.
	Reply Tuple
	// Status are the IPS_ bits of linux/netfilter/nf_conntrack_common.h.
	Status uint32
	// Packets and Bytes are of both directions; zero without accounting.
	Packets, Bytes uint64
	// Replies are packets of the reply direction.
	Replies uint64
	// TCPState is one of TCP_CONNTRACK_, 0 for others.
	TCPState uint8
}

// Seen says that an answer was seen.
func (e *Entry) Seen() bool { return e.Status&statusSeenReply != 0 }

// settled says that nothing more is expected: TCP that was closed, or a question
// that was answered and did not become a stream.
func (e *Entry) settled() bool {
	if e.Original.Protocol == unix.IPPROTO_TCP {
		return e.TCPState == tcpTimeWait || e.TCPState == tcpClose
	}
	return e.Seen() && e.Status&statusAssured == 0
}

// Bits of Status, and values of TCPState.
const (
	statusSeenReply = 1 << 1
	statusAssured   = 1 << 2
	tcpTimeWait     = 7
	tcpClose        = 8
)

// Attributes of linux/netfilter/nfnetlink_conntrack.h.
const (
	ctaTupleOriginal       = 1
	ctaTupleReply          = 2
	ctaStatus              = 3
	ctaProtoInfo           = 4
	ctaCountersOrig        = 9
	ctaCountersReply       = 10
	tupleIP                = 1
	tupleProto             = 2
	ipV4Source             = 1
	ipV4Destination        = 2
	protoNumber            = 1
	protoSource            = 2
	protoDestination       = 3
	countersPackets        = 1
	countersBytes          = 2
	protoInfoTCP           = 1
	protoInfoTCPState      = 1
	headerLength           = 4 // struct nfgenmsg
	familyIPv4        byte = 2
)

// parse reads an entry; false for one that is not IPv4.
func parse(m netlink.Message) (Entry, bool, error) {
	var e Entry
	if len(m.Data) < headerLength {
		return e, false, fmt.Errorf("read conntrack entry: %d bytes", len(m.Data))
	}
	if m.Data[0] != familyIPv4 {
		return e, false, nil
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[headerLength:])
	if err != nil {
		return e, false, fmt.Errorf("read conntrack entry: %w", err)
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		switch ad.Type() {
		case ctaTupleOriginal:
			ad.Nested(func(t *netlink.AttributeDecoder) error { return parseTuple(t, &e.Original) })
		case ctaTupleReply:
			ad.Nested(func(t *netlink.AttributeDecoder) error { return parseTuple(t, &e.Reply) })
		case ctaStatus:
			e.Status = ad.Uint32()
		case ctaProtoInfo:
			ad.Nested(func(info *netlink.AttributeDecoder) error { return parseState(info, &e) })
		case ctaCountersOrig:
			ad.Nested(func(c *netlink.AttributeDecoder) error { return parseCounters(c, &e, nil) })
		case ctaCountersReply:
			ad.Nested(func(c *netlink.AttributeDecoder) error { return parseCounters(c, &e, &e.Replies) })
		}
	}
	if err := ad.Err(); err != nil {
		return e, false, fmt.Errorf("read conntrack entry: %w", err)
	}
	return e, true, nil
}

func parseTuple(ad *netlink.AttributeDecoder, t *Tuple) error {
	var source, destination netip.Addr
	var from, to uint16
	for ad.Next() {
		switch ad.Type() {
		case tupleIP:
			ad.Nested(func(ip *netlink.AttributeDecoder) error {
				for ip.Next() {
					switch ip.Type() {
					case ipV4Source:
						source, _ = netip.AddrFromSlice(ip.Bytes())
					case ipV4Destination:
						destination, _ = netip.AddrFromSlice(ip.Bytes())
					}
				}
				return nil
			})
		case tupleProto:
			ad.Nested(func(proto *netlink.AttributeDecoder) error {
				for proto.Next() {
					switch proto.Type() {
					case protoNumber:
						t.Protocol = proto.Uint8()
					case protoSource:
						from = proto.Uint16()
					case protoDestination:
						to = proto.Uint16()
					}
				}
				return nil
			})
		}
	}
	t.Source, t.Destination = netip.AddrPortFrom(source, from), netip.AddrPortFrom(destination, to)
	return nil
}

func parseState(info *netlink.AttributeDecoder, e *Entry) error {
	for info.Next() {
		if info.Type() != protoInfoTCP {
			continue
		}
		info.Nested(func(tcp *netlink.AttributeDecoder) error {
			for tcp.Next() {
				if tcp.Type() == protoInfoTCPState {
					e.TCPState = tcp.Uint8()
				}
			}
			return nil
		})
	}
	return nil
}

func parseCounters(c *netlink.AttributeDecoder, e *Entry, packets *uint64) error {
	for c.Next() {
		switch c.Type() {
		case countersPackets:
			e.Packets += c.Uint64()
			if packets != nil {
				*packets = c.Uint64()
			}
		case countersBytes:
			e.Bytes += c.Uint64()
		}
	}
	return nil
}

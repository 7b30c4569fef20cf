// Package netfilter asks the kernel's packet filter over netlink, inside the
// network namespace of a node: whether rules changed, how often each matched,
// and which rules a traced packet met. It changes nothing.
//
// The messages are those of linux/netfilter/nf_tables.h; they hold for iptables
// too where it is the nf_tables variant, whose rules are rules of nftables.
package netfilter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
)

// Conn is a netlink socket in a network namespace. It is used by one goroutine
// at a time.
type Conn struct {
	nl    *Socket
	names names
}

// Dial opens a socket in a network namespace; it can be used from anywhere.
func Dial(ns *namespace.Net) (*Conn, error) {
	nl, err := Open(ns)
	if err != nil {
		return nil, err
	}
	return &Conn{nl: nl, names: names{}}, nil
}

// Close closes the socket.
func (c *Conn) Close() error { return c.nl.Close() }

// header is struct nfgenmsg: family, version, resource.
func header(family byte) []byte { return []byte{family, unix.NFNETLINK_V0, 0, 0} }

func message(kind int) netlink.HeaderType {
	return netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind)
}

// Generation is the number of the ruleset: it grows with every transaction.
// Asking costs some microseconds.
func (c *Conn) Generation() (generation uint32, err error) {
	known := false
	err = c.nl.Ask(netlink.Message{
		Header: netlink.Header{Type: message(unix.NFT_MSG_GETGEN), Flags: netlink.Request},
		Data:   header(unix.AF_UNSPEC),
	}, func(m netlink.Message) error {
		ad, err := attributes(m)
		if err != nil {
			return err
		}
		for ad.Next() {
			if ad.Type() == unix.NFTA_GEN_ID {
				generation, known = ad.Uint32(), true
			}
		}
		return ad.Err()
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("ask for the generation of the rules: %w", err)
	case !known:
		return 0, errors.New("ask for the generation of the rules: the kernel named none")
	}
	return generation, nil
}

// attributes are those after the nfgenmsg of a message; numbers are big-endian.
func attributes(m netlink.Message) (*netlink.AttributeDecoder, error) {
	if len(m.Data) < 4 {
		return nil, fmt.Errorf("read netfilter message: %d bytes", len(m.Data))
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[4:])
	if err != nil {
		return nil, fmt.Errorf("read netfilter message: %w", err)
	}
	ad.ByteOrder = binary.BigEndian
	return ad, nil
}

// Rule is a rule as the kernel has it.
type Rule struct {
	Chain string
	// Ordinal is its place among the rules of its chain, from 0.
	Ordinal int
	Handle  uint64
	// Counted says that the rule has a counter; Packets is its value.
	Counted bool
	Packets uint64
	// Sum is that of what the rule matches and does: one that is written anew has
	// another handle and the same sum. It holds within this process.
	Sum uint64
}

// Rules are the rules of a table of IPv4, of one chain or with "" of all, in
// order; none when there is no such table or chain.
func (c *Conn) Rules(table, chain string) ([]Rule, error) {
	ae := netlink.NewAttributeEncoder()
	ae.String(unix.NFTA_RULE_TABLE, table)
	if chain != "" {
		ae.String(unix.NFTA_RULE_CHAIN, chain)
	}
	asked, err := ae.Encode()
	if err != nil {
		return nil, err
	}
	var rules []Rule
	next := map[string]int{}
	err = c.nl.Dump(netlink.Message{
		Header: netlink.Header{Type: message(unix.NFT_MSG_GETRULE), Flags: netlink.Request | netlink.Dump},
		Data:   append(header(unix.NFPROTO_IPV4), asked...),
	}, func(m netlink.Message) error {
		r, of, err := c.names.rule(m)
		if err != nil || of != table || chain != "" && r.Chain != chain {
			return err
		}
		r.Ordinal = next[r.Chain]
		next[r.Chain]++
		rules = append(rules, r)
		return nil
	})
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("list rules of table %s: %w", table, err)
	}
	return rules, nil
}

// names are those of tables and chains, each kept once.
type names map[string]string

func (n names) of(raw []byte) string {
	raw = bytes.TrimRight(raw, "\x00")
	name, ok := n[string(raw)]
	if !ok {
		name = string(raw)
		n[name] = name
	}
	return name
}

// rule reads a rule. There may be ten thousand to read in a second, so it goes
// through the bytes and makes nothing.
func (n names) rule(m netlink.Message) (r Rule, table string, err error) {
	if len(m.Data) < 4 {
		return r, "", fmt.Errorf("read netfilter message: %d bytes", len(m.Data))
	}
	whole := each(m.Data[4:], func(kind uint16, value []byte) bool {
		switch kind {
		case unix.NFTA_RULE_TABLE:
			table = n.of(value)
		case unix.NFTA_RULE_CHAIN:
			r.Chain = n.of(value)
		case unix.NFTA_RULE_HANDLE:
			r.Handle = number(value)
		case unix.NFTA_RULE_EXPRESSIONS:
			var sum maphash.Hash
			sum.SetSeed(sumSeed)
			complete := each(value, func(_ uint16, expression []byte) bool {
				if !counter(expression, &r) {
					_, _ = sum.Write(expression)
				}
				return true
			})
			r.Sum = sum.Sum64()
			return complete
		}
		return true
	})
	if !whole {
		return r, table, errors.New("read netfilter message: an attribute is cut off")
	}
	return r, table, nil
}

// each calls take with the attributes of a message, struct nlattr, as long as it
// wants more; false says that it did not, or that one is cut off.
func each(raw []byte, take func(kind uint16, value []byte) bool) bool {
	const flags = unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER
	for len(raw) >= unix.SizeofNlAttr {
		length := int(binary.NativeEndian.Uint16(raw))
		if length < unix.SizeofNlAttr || length > len(raw) || !take(binary.NativeEndian.Uint16(raw[2:])&^flags, raw[unix.SizeofNlAttr:length]) {
			return false
		}
		raw = raw[min((length+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1), len(raw)):]
	}
	return len(raw) == 0
}

// number is one of 64 bits; 0 where it is something else.
func number(raw []byte) uint64 {
	if len(raw) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(raw)
}

// Attributes of linux/netfilter/nf_tables.h that x/sys/unix names otherwise or
// not at all.
const (
	exprName       = 1 // NFTA_EXPR_NAME
	exprData       = 2 // NFTA_EXPR_DATA
	counterPackets = 2 // NFTA_COUNTER_PACKETS
)

// sumSeed is that of Rule.Sum.
var sumSeed = maphash.MakeSeed()

// counter reads an expression when it is the counter of a rule, and says whether
// it is.
func counter(expression []byte, r *Rule) (is bool) {
	each(expression, func(kind uint16, value []byte) bool {
		switch {
		case kind == exprName:
			is = string(bytes.TrimRight(value, "\x00")) == "counter"
		case kind == exprData && is:
			r.Counted = true
			each(value, func(kind uint16, value []byte) bool {
				if kind == counterPackets {
					r.Packets = number(value)
				}
				return true
			})
		}
		return is
	})
	return is
}

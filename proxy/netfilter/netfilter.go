// Package netfilter asks the kernel's packet filter over netlink, inside the
// network namespace of a node: whether rules changed, how often each matched,
// and which rules a traced packet met. It changes nothing.
//
// The messages are those of linux/netfilter/nf_tables.h; they hold for iptables
// too where it is the nf_tables variant, whose rules are rules of nftables.
package netfilter

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
)

// Conn is a netlink socket in a network namespace. It is used by one goroutine
// at a time.
type Conn struct{ nl *Socket }

// Dial opens a socket in a network namespace; it can be used from anywhere.
func Dial(ns *namespace.Net) (*Conn, error) {
	nl, err := Open(ns)
	if err != nil {
		return nil, err
	}
	return &Conn{nl: nl}, nil
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
	replies, err := c.nl.Execute(netlink.Message{
		Header: netlink.Header{Type: message(unix.NFT_MSG_GETRULE), Flags: netlink.Request | netlink.Dump},
		Data:   append(header(unix.NFPROTO_IPV4), asked...),
	})
	if err != nil {
		if errors.Is(err, unix.ENOENT) {
			return nil, nil
		}
		return nil, fmt.Errorf("list rules of table %s: %w", table, err)
	}
	rules := make([]Rule, 0, len(replies))
	next := map[string]int{}
	for _, m := range replies {
		r, of, err := parseRule(m)
		if err != nil {
			return nil, fmt.Errorf("list rules of table %s: %w", table, err)
		}
		if of != table || chain != "" && r.Chain != chain {
			continue
		}
		r.Ordinal = next[r.Chain]
		next[r.Chain]++
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(m netlink.Message) (r Rule, table string, err error) {
	ad, err := attributes(m)
	if err != nil {
		return r, "", err
	}
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_RULE_TABLE:
			table = ad.String()
		case unix.NFTA_RULE_CHAIN:
			r.Chain = ad.String()
		case unix.NFTA_RULE_HANDLE:
			r.Handle = ad.Uint64()
		case unix.NFTA_RULE_EXPRESSIONS:
			ad.Nested(func(list *netlink.AttributeDecoder) error {
				for list.Next() {
					list.Nested(func(expression *netlink.AttributeDecoder) error {
						counter(expression, &r)
						return nil
					})
				}
				return nil
			})
		}
	}
	return r, table, ad.Err()
}

// Attributes of linux/netfilter/nf_tables.h that x/sys/unix names otherwise or
// not at all.
const (
	exprName       = 1 // NFTA_EXPR_NAME
	exprData       = 2 // NFTA_EXPR_DATA
	counterPackets = 2 // NFTA_COUNTER_PACKETS
)

// counter reads an expression when it is the counter of a rule.
func counter(expression *netlink.AttributeDecoder, r *Rule) {
	is := false
	for expression.Next() {
		switch {
		case expression.Type() == exprName:
			is = expression.String() == "counter"
		case expression.Type() == exprData && is:
			r.Counted = true
			expression.Nested(func(data *netlink.AttributeDecoder) error {
				for data.Next() {
					if data.Type() == counterPackets {
						r.Packets = data.Uint64()
					}
				}
				return nil
			})
		}
	}
}

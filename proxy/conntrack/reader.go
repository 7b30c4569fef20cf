package conntrack

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"workbench/proxy/netfilter"
	"workbench/runtime/namespace"
)

// Reader asks the kernel about the connections of a network namespace. It is
// used by one goroutine at a time.
type Reader struct{ in *netfilter.Socket }

// Open opens a socket in a network namespace; it can be used from anywhere.
func Open(ns *namespace.Net) (*Reader, error) {
	in, err := netfilter.Open(ns)
	if err != nil {
		return nil, err
	}
	return &Reader{in}, nil
}

// Close closes the socket.
func (r *Reader) Close() error { return r.in.Close() }

// Table calls take with every entry of IPv4 that exists now. It is dear however
// few there are: all namespaces share one hash table, and the kernel walks all of
// it, some milliseconds on a machine of 24 GiB.
func (r *Reader) Table(take func(Entry)) error {
	replies, err := r.in.Execute(request(netlink.Dump, nil))
	if err != nil {
		return fmt.Errorf("list conntrack entries: %w", err)
	}
	for _, m := range replies {
		e, ok, err := parse(m)
		if err != nil {
			return err
		}
		if ok {
			take(e)
		}
	}
	return nil
}

// Entry is the connection whose first packet went as t says; false when there is
// none. It costs some microseconds.
func (r *Reader) Entry(t Tuple) (found Entry, ok bool, err error) {
	tuple, err := encode(t)
	if err != nil {
		return found, false, err
	}
	err = r.in.Ask(request(0, tuple), func(m netlink.Message) (err error) {
		found, ok, err = parse(m)
		return err
	})
	if errors.Is(err, unix.ENOENT) {
		return found, false, nil
	}
	return found, ok, err
}

func request(flags netlink.HeaderFlags, what []byte) netlink.Message {
	return netlink.Message{
		Header: netlink.Header{Type: messageGet, Flags: netlink.Request | flags},
		Data:   append([]byte{familyIPv4, unix.NFNETLINK_V0, 0, 0}, what...),
	}
}

// encode is the attributes by which the kernel finds a connection.
func encode(t Tuple) ([]byte, error) {
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	ae.Nested(ctaTupleOriginal, func(tuple *netlink.AttributeEncoder) error {
		tuple.Nested(tupleIP, func(ip *netlink.AttributeEncoder) error {
			ip.Bytes(ipV4Source, t.Source.Addr().AsSlice())
			ip.Bytes(ipV4Destination, t.Destination.Addr().AsSlice())
			return nil
		})
		tuple.Nested(tupleProto, func(proto *netlink.AttributeEncoder) error {
			proto.Uint8(protoNumber, t.Protocol)
			proto.Uint16(protoSource, t.Source.Port())
			proto.Uint16(protoDestination, t.Destination.Port())
			return nil
		})
		return nil
	})
	out, err := ae.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode conntrack tuple: %w", err)
	}
	return out, nil
}

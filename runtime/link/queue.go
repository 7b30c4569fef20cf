package link

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
)

// Messages and attributes of nfnetlink_queue (linux/netfilter/nfnetlink_queue.h).
const (
	subsysQueue  = 3 << 8
	msgPacket    = subsysQueue
	msgConfig    = subsysQueue | 2
	msgBatch     = subsysQueue | 3
	attrPacket   = 1 // NFQA_PACKET_HDR
	attrVerdict  = 2 // NFQA_VERDICT_HDR
	cfgCommand   = 1 // NFQA_CFG_CMD
	cfgParams    = 2 // NFQA_CFG_PARAMS
	cfgMaxLength = 3 // NFQA_CFG_QUEUE_MAXLEN
	cfgMask      = 4 // NFQA_CFG_MASK
	cfgFlags     = 5 // NFQA_CFG_FLAGS
	commandBind  = 1
	commandFree  = 2
	copyMeta     = 1 // NFQNL_COPY_META: no payload is looked at
	flagFailOpen = 1 // a full queue lets packets pass
	flagGSO      = 4 // no segmentation of large packets
	accept       = 1 // NF_ACCEPT
)

// queueLength is how many packets a queue holds before it lets packets pass.
const queueLength = 16384

// receiveBuffer is for bursts of packets, in bytes.
const receiveBuffer = 8 << 20

// queueConn speaks with the kernel's queues of one namespace.
type queueConn struct{ conn *netlink.Conn }

func dialQueues(ns *namespace.Net) (*queueConn, error) {
	var conn *netlink.Conn
	err := ns.Do(func() error {
		var err error
		conn, err = netlink.Dial(unix.NETLINK_NETFILTER, nil)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open packet queues: %w", err)
	}
	// A burst beyond the buffer is let pass by the kernel (FAIL_OPEN); it must
	// not end the reader.
	if err := errors.Join(conn.SetOption(netlink.NoENOBUFS, true), conn.SetReadBuffer(receiveBuffer)); err != nil {
		return nil, errors.Join(fmt.Errorf("open packet queues: %w", err), conn.Close())
	}
	return &queueConn{conn}, nil
}

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func (c *queueConn) config(queue uint16, fill func(*netlink.AttributeEncoder)) error {
	attributes := netlink.NewAttributeEncoder()
	fill(attributes)
	data, err := attributes.Encode()
	if err != nil {
		return err
	}
	// The answers come to the reader of packets, so none is asked for.
	_, err = c.conn.Send(netlink.Message{
		Header: netlink.Header{Type: msgConfig, Flags: netlink.Request}, Data: append(nfgenmsg(unix.AF_UNSPEC, queue), data...),
	})
	return err
}

// bind asks for the packets of a queue.
func (c *queueConn) bind(queue uint16) error {
	err := errors.Join(
		c.config(queue, func(a *netlink.AttributeEncoder) { a.Bytes(cfgCommand, []byte{commandBind, 0, 0, unix.AF_INET}) }),
		c.config(queue, func(a *netlink.AttributeEncoder) {
			a.Bytes(cfgParams, append(be32(0), copyMeta))
			a.Bytes(cfgMaxLength, be32(queueLength))
			a.Bytes(cfgFlags, be32(flagFailOpen|flagGSO))
			a.Bytes(cfgMask, be32(flagFailOpen|flagGSO))
		}),
	)
	if err != nil {
		return fmt.Errorf("bind packet queue %d: %w", queue, err)
	}
	return nil
}

// free gives a queue back; what it holds must have been accepted before.
func (c *queueConn) free(queue uint16) error {
	if err := c.config(queue, func(a *netlink.AttributeEncoder) { a.Bytes(cfgCommand, []byte{commandFree, 0, 0, unix.AF_INET}) }); err != nil {
		return fmt.Errorf("free packet queue %d: %w", queue, err)
	}
	return nil
}

// accept lets all packets of a queue up to an ID go on.
func (c *queueConn) accept(queue uint16, upTo uint32) error {
	attributes := netlink.NewAttributeEncoder()
	attributes.Bytes(attrVerdict, append(be32(accept), be32(upTo)...))
	data, err := attributes.Encode()
	if err != nil {
		return err
	}
	_, err = c.conn.Send(netlink.Message{
		Header: netlink.Header{Type: msgBatch, Flags: netlink.Request}, Data: append(nfgenmsg(unix.AF_UNSPEC, queue), data...),
	})
	return err
}

// parsePacket is the queue and the ID of a packet in a message.
func parsePacket(m netlink.Message) (queue uint16, id uint32, ok bool) {
	if m.Header.Type != msgPacket || len(m.Data) < 4 {
		return 0, 0, false
	}
	queue = binary.BigEndian.Uint16(m.Data[2:4])
	attributes, err := netlink.NewAttributeDecoder(m.Data[4:])
	if err != nil {
		return 0, 0, false
	}
	for attributes.Next() {
		if b := attributes.Bytes(); attributes.Type() == attrPacket && len(b) >= 4 {
			return queue, binary.BigEndian.Uint32(b), true
		}
	}
	return 0, 0, false
}

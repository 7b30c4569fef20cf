package link

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Messages of nf_tables (linux/netfilter/nf_tables.h, nfnetlink.h), which is
// where iptables keeps its tables unless it is the legacy one.
const (
	subsysTables = 10 << 8
	newTable     = subsysTables
	getTable     = subsysTables | 1
	delTable     = subsysTables | 2
	batchBegin   = 0x10
	batchEnd     = 0x11
	tableName    = 1 // NFTA_TABLE_NAME
	familyIPv4   = 2 // NFPROTO_IPV4
)

// nfgenmsg is struct nfgenmsg: family, version, resource in network order.
func nfgenmsg(family byte, resource uint16) []byte {
	return []byte{family, 0, byte(resource >> 8), byte(resource)}
}

func tableMessage(kind netlink.HeaderType, flags netlink.HeaderFlags, name string) (netlink.Message, error) {
	attributes := netlink.NewAttributeEncoder()
	attributes.String(tableName, name)
	data, err := attributes.Encode()
	return netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | flags}, Data: append(nfgenmsg(familyIPv4, 0), data...),
	}, err
}

// hasTable says whether the calling thread's namespace has the IPv4 table in
// nf_tables.
func hasTable(name string) (bool, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return false, fmt.Errorf("look for table %s: %w", name, err)
	}
	defer conn.Close()
	m, err := tableMessage(getTable, 0, name)
	if err != nil {
		return false, err
	}
	answers, err := conn.Execute(m)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return false, nil // not there, or no nf_tables in this kernel
	case err != nil:
		return false, fmt.Errorf("look for table %s: %w", name, err)
	}
	return len(answers) == 1 && answers[0].Header.Type == newTable, nil
}

// deleteTable deletes the table in the calling thread's namespace.
func deleteTable(name string) error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return fmt.Errorf("delete table %s: %w", name, err)
	}
	defer conn.Close()
	m, err := tableMessage(delTable, netlink.Acknowledge, name)
	if err != nil {
		return err
	}
	mark := func(kind netlink.HeaderType) netlink.Message {
		return netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request}, Data: nfgenmsg(0, subsysTables>>8)}
	}
	if _, err := conn.SendMessages([]netlink.Message{mark(batchBegin), m, mark(batchEnd)}); err != nil {
		return fmt.Errorf("delete table %s: %w", name, err)
	}
	if _, err := conn.Receive(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete table %s: %w", name, err)
	}
	return nil
}

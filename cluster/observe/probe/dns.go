package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"golang.org/x/net/dns/dnsmessage"

	"workbench/cluster/event"
)

// maxDatagram is the longest answer that a name server sends to who does not say
// that it takes more, in bytes.
const maxDatagram = 512

// DNS is the target of the cluster's name service as a pod on a node asks it for
// the address of the API: one datagram from a port of its own. The server's
// address is looked up each time.
func DNS(node, domain string, look func() (server string, dial Dial, ok bool)) Target {
	return Target{Name: DNSPrefix + node, Try: func(ctx context.Context) error {
		server, dial, ok := look()
		if !ok {
			return ErrIdle
		}
		return lookUp(ctx, dial, server, event.DNSPulse+".default.svc."+domain+".")
	}}
}

// lookUp asks a server once for the addresses of a name.
func lookUp(ctx context.Context, dial Dial, server, name string) error {
	asked, err := dnsmessage.NewName(name)
	if err != nil {
		return fmt.Errorf("look up %s: %w", name, err)
	}
	query := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: uint16(rand.Uint32()), RecursionDesired: true}, //nolint:gosec // its own server, a port of its own
		Questions: []dnsmessage.Question{{Name: asked, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	packed, err := query.Pack()
	if err != nil {
		return fmt.Errorf("look up %s: %w", name, err)
	}
	conn, end, err := dial.until(ctx, "udp", server)
	if err != nil {
		return err
	}
	defer end()
	if _, err := conn.Write(packed); err != nil {
		return err
	}
	for in := make([]byte, maxDatagram); ; {
		n, err := conn.Read(in)
		if err != nil {
			return err
		}
		var answer dnsmessage.Message
		if answer.Unpack(in[:n]) == nil && answer.ID == query.ID && answer.Response {
			return judge(answer, name)
		}
	}
}

// judge says what is wrong with an answer.
func judge(answer dnsmessage.Message, name string) error {
	switch {
	case answer.RCode == dnsmessage.RCodeNameError:
		return fmt.Errorf("look up %s: no such host", name)
	case answer.RCode != dnsmessage.RCodeSuccess:
		return fmt.Errorf("look up %s: the server answers %s", name, answer.RCode)
	case len(answer.Answers) == 0:
		return errors.New("look up " + name + ": no address")
	}
	return nil
}

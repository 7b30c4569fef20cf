package logind

import (
	"net"
	"slices"
	"sync"

	"github.com/godbus/dbus/v5"
)

// client is a program on the bus.
type client struct {
	server *Server
	conn   *net.UnixConn
	name   string // unique on this bus
	uid    uint32
	pid    int32

	mu     sync.Mutex // guards what follows, and the order of messages
	serial uint32
	rules  []string
}

// result is what comes of a call: values, or an error by its name. A file
// descriptor among the values is closed by after, once it was sent.
type result struct {
	values  []any
	failure string
	text    string
	after   func()
}

func values(v ...any) result { return result{values: v} }

func failure(name, text string) result {
	return result{failure: "org.freedesktop." + name, text: text}
}

// handle answers a message if it is a call.
func (c *client) handle(m *dbus.Message) error {
	if m.Type != dbus.TypeMethodCall {
		return nil
	}
	r := c.call(m)
	if r.after != nil {
		defer r.after()
	}
	if m.Flags&dbus.FlagNoReplyExpected != 0 {
		return nil
	}
	reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(m.Serial()),
		dbus.FieldDestination: dbus.MakeVariant(c.name),
		dbus.FieldSender:      dbus.MakeVariant(sender(header(m, dbus.FieldDestination))),
	}, Body: r.values}
	if r.failure != "" {
		reply.Type, reply.Body = dbus.TypeError, []any{r.text}
		reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant(r.failure)
	}
	return c.send(reply)
}

func (c *client) send(m *dbus.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	raw, rights, err := encode(m, c.serial)
	if err != nil {
		return err
	}
	n, _, err := c.conn.WriteMsgUnix(raw, rights, nil)
	if err == nil && n < len(raw) {
		_, err = c.conn.Write(raw[n:])
	}
	return err
}

// listens says whether the client asked for a signal.
func (c *client) listens(s signal) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.rules, s.matches)
}

func (c *client) addRule(rule string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = append(c.rules, rule)
}

// removeRule takes one of the rules that are so away.
func (c *client) removeRule(rule string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.rules, rule)
	if i >= 0 {
		c.rules = slices.Delete(c.rules, i, i+1)
	}
	return i >= 0
}

// signal is something that logind tells whoever listens.
type signal struct {
	path          dbus.ObjectPath
	iface, member string
	preparing     bool
}

// broadcast sends a signal to all that listen. One that cannot be told is gone.
func (s *Server) broadcast(sig signal) {
	s.mu.Lock()
	clients := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		clients = append(clients, c)
	}
	s.mu.Unlock()
	for _, c := range clients {
		if !c.listens(sig) {
			continue
		}
		_ = c.send(&dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldPath:      dbus.MakeVariant(sig.path),
			dbus.FieldInterface: dbus.MakeVariant(sig.iface),
			dbus.FieldMember:    dbus.MakeVariant(sig.member),
			dbus.FieldSender:    dbus.MakeVariant(uniqueLogind),
		}, Body: []any{sig.preparing}})
	}
}

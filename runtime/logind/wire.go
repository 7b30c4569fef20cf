package logind

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// mostBytes bounds a message; the calls that are answered take a few hundred.
const mostBytes = 64 << 10

// receive reads one message. Its size is looked at first: the specification
// allows 128 MiB, which is more than a node's init may take. It is decoded once it
// is whole, and what the library panics about - a message that is torn or makes no
// sense - is a client's fault: the caller is the PID 1 of a node.
func receive(in *bufio.Reader) (m *dbus.Message, err error) {
	head, err := in.Peek(16)
	if err != nil {
		return nil, err
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[0] == 'B' {
		order = binary.BigEndian
	}
	body, fields := order.Uint32(head[4:]), order.Uint32(head[12:])
	if body > mostBytes || fields > mostBytes {
		return nil, errProtocol
	}
	raw := make([]byte, len(head)+int(fields+7)/8*8+int(body))
	if _, err := io.ReadFull(in, raw); err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil {
			m, err = nil, errProtocol
		}
	}()
	return dbus.DecodeMessage(bytes.NewReader(raw))
}

// encode is a message on the wire, and the file descriptors that go with it. The
// library numbers only messages of its own connections, so the serial number is
// put in here, at its fixed place.
func encode(m *dbus.Message, serial uint32) (raw, rights []byte, err error) {
	if len(m.Body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(m.Body...))
	}
	count, err := m.CountFds()
	if err != nil {
		return nil, nil, err
	}
	if count > 0 {
		m.Headers[dbus.FieldUnixFDs] = dbus.MakeVariant(uint32(count))
	}
	var buf bytes.Buffer
	fds, err := m.EncodeToWithFDs(&buf, binary.LittleEndian)
	if err != nil {
		return nil, nil, err
	}
	raw = buf.Bytes()
	binary.LittleEndian.PutUint32(raw[8:], serial)
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	return raw, rights, nil
}

// header is a field of a message; "" where it has none of that type.
func header(m *dbus.Message, f dbus.HeaderField) string {
	switch v := m.Headers[f].Value().(type) {
	case string:
		return v
	case dbus.ObjectPath:
		return string(v)
	}
	return ""
}

// arguments are those of a call if all of them are strings.
func arguments(m *dbus.Message, count int) ([]string, bool) {
	if len(m.Body) != count {
		return nil, false
	}
	var out []string
	for _, v := range m.Body {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

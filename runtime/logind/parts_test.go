package logind

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestAuthenticate(t *testing.T) {
	for name, c := range map[string]struct {
		says, answers string
		fails         bool
	}{
		"at once":       {"\x00AUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", "OK id\r\nAGREE_UNIX_FD\r\n", false},
		"asks first":    {"\x00AUTH\r\nAUTH EXTERNAL 30\r\nBEGIN\r\n", "REJECTED EXTERNAL\r\nOK id\r\n", false},
		"data":          {"\x00AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n", "DATA\r\nOK id\r\n", false},
		"another user":  {"\x00AUTH EXTERNAL 31303030\r\nBEGIN\r\n", "REJECTED EXTERNAL\r\n", true},
		"another way":   {"\x00AUTH ANONYMOUS\r\nBEGIN\r\n", "REJECTED EXTERNAL\r\n", true},
		"none":          {"\x00BEGIN\r\n", "", true},
		"no hex":        {"\x00AUTH EXTERNAL zz\r\n", "REJECTED EXTERNAL\r\n", true},
		"data unasked":  {"\x00DATA\r\nBEGIN\r\n", "ERROR\r\n", true},
		"HTTP":          {"GET / HTTP/1.1\r\n", "", true},
		"never decides": {"\x00" + strings.Repeat("AUTH\r\n", 100), strings.Repeat("REJECTED EXTERNAL\r\n", 16), true},
	} {
		var out bytes.Buffer
		err := authenticate(bufio.NewReader(strings.NewReader(c.says)), &out, 0, "id")
		if (err != nil) != c.fails || out.String() != c.answers {
			t.Errorf("%s: answered %q, %v", name, out.String(), err)
		}
	}
}

func TestMatches(t *testing.T) {
	s := signal{path: pathLogind, iface: ifaceManager, member: "PrepareForShutdown"}
	for rule, want := range map[string]bool{
		"": true,
		"type='signal',interface='org.freedesktop.login1.Manager',member='PrepareForShutdown',path='/org/freedesktop/login1'": true,
		"type='signal',sender='org.freedesktop.login1'":                                                                       true,
		"type=signal":                                     true,
		"type='signal',member='PrepareForSleep'":          false,
		"type='signal',interface='org.freedesktop.DBus'":  false,
		"type='signal',arg0='x'":                          false,
		"nonsense":                                        false,
		"member='PrepareForShutdown', type='method_call'": false,
	} {
		if got := s.matches(rule); got != want {
			t.Errorf("%q matches: %v", rule, got)
		}
	}
}

func TestDelayOf(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"[Login]\nInhibitDelayMaxSec=30":       30 * time.Second,
		"[Login]\n InhibitDelayMaxSec = 30s\n": 30 * time.Second,
		"[Login]\nInhibitDelayMaxSec=1m30s":    90 * time.Second,
		"[Sleep]\nInhibitDelayMaxSec=30":       -1,
		"[Login]\nInhibitDelayMaxSec=often":    -1,
		"[Login]\n#InhibitDelayMaxSec=30":      -1,
		"":                                     -1,
	} {
		if got, ok := delayOf(text); ok != (want >= 0) || ok && got != want {
			t.Errorf("%q is %v, %v", text, got, ok)
		}
	}
}

// FuzzReceive lets nothing that a client sends end the init.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("l\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("B\x01\x00\x01\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := receive(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		_, _ = arguments(m, 1)
		_ = header(m, 1)
	})
}

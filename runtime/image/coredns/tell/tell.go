// Package tell is a plugin of CoreDNS that tells the node's init which lookups
// were answered: like ones of a second together, as one datagram. With no lookup
// it does nothing, and nobody waits for it: what cannot be sent is lost.
//
//	workbench /run/workbench/taps/sock
package tell

import (
	"bytes"
	"context"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/miekg/dns"

	"workbench/cluster/event"
)

// Name of the plugin, and of its directive in a Corefile.
const Name = "workbench"

// Bounds of what is told at once.
const (
	gather  = time.Second
	maxKeys = 100
)

func init() { plugin.Register(Name, setup) }

func setup(c *caddy.Controller) error {
	t := &Tell{Node: os.Getenv("NODE_NAME")}
	t.Pod, _ = os.Hostname()
	for c.Next() {
		args := c.RemainingArgs()
		if len(args) != 1 {
			return plugin.Error(Name, c.ArgErr())
		}
		t.Socket = args[0]
	}
	dnsserver.GetConfig(c).AddPlugin(func(next plugin.Handler) plugin.Handler {
		t.Next = next
		return t
	})
	return nil
}

// Tell is the plugin.
type Tell struct {
	Next      plugin.Handler
	Socket    string // of the node's init
	Node, Pod string

	mu      sync.Mutex
	queries map[event.DNSQuery]*event.DNSQuery // by who, what and code
	more    int64
}

// Name implements plugin.Handler.
func (t *Tell) Name() string { return Name }

// ServeDNS implements plugin.Handler.
func (t *Tell) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	rec := dnstest.NewRecorder(w)
	code, err := plugin.NextOrFailure(Name, t.Next, ctx, rec, r)
	if len(r.Question) == 1 && !strings.HasPrefix(r.Question[0].Name, event.DNSPulse+".") {
		t.note(rec, r.Question[0], code)
	}
	return code, err
}

// note counts a lookup. A code that no plugin has written is written later.
func (t *Tell) note(rec *dnstest.Recorder, q dns.Question, code int) {
	took := time.Since(rec.Start)
	key := event.DNSQuery{Name: strings.ToLower(q.Name), Kind: dns.TypeToString[q.Qtype]}
	if host, _, err := net.SplitHostPort(rec.RemoteAddr().String()); err == nil {
		key.Client = host
	}
	if rec.Msg != nil {
		code = rec.Rcode
		key.Empty = len(rec.Msg.Answer) == 0
	}
	key.Code = dns.RcodeToString[code]
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queries == nil {
		t.queries = map[event.DNSQuery]*event.DNSQuery{}
	}
	if len(t.queries) == 0 && t.more == 0 {
		time.AfterFunc(gather, t.flush) // ends by itself
	}
	one := t.queries[key]
	if one == nil {
		if len(t.queries) >= maxKeys {
			t.more++
			return
		}
		first := key
		one = &first
		t.queries[key] = one
	}
	one.Count++
	one.Took += took
	one.Longest = max(one.Longest, took)
}

// flush sends what was counted.
func (t *Tell) flush() {
	t.mu.Lock()
	e := event.DNSQueries{Node: t.Node, Pod: t.Pod, More: t.more}
	for _, q := range t.queries {
		e.Queries = append(e.Queries, *q)
	}
	clear(t.queries)
	t.more = 0
	t.mu.Unlock()
	slices.SortFunc(e.Queries, func(a, b event.DNSQuery) int {
		return strings.Compare(a.Client+" "+a.Name+" "+a.Kind+" "+a.Code, b.Client+" "+b.Name+" "+b.Kind+" "+b.Code)
	})
	var line bytes.Buffer
	if err := (event.Event{Time: time.Now(), Body: e}).WriteJSON(&line); err != nil {
		return
	}
	conn, err := net.Dial("unixgram", t.Socket)
	if err != nil {
		return // the node's init does not listen: nobody watches
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(gather))
	_, _ = conn.Write(line.Bytes())
}

package tell

import (
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/test"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"workbench/cluster/event"
)

// TestTellsLookupsTogether answers lookups of pods and of the pulse, and hears what
// is told.
func TestTellsLookupsTogether(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "sock")
	heard, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Close()
	next := plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
		switch r.Question[0].Name {
		case "refused.":
			return dns.RcodeRefused, nil // the server writes it afterwards
		case "gone.":
			m := new(dns.Msg).SetRcode(r, dns.RcodeNameError)
			return dns.RcodeSuccess, w.WriteMsg(m)
		}
		m := new(dns.Msg).SetReply(r)
		m.Answer = []dns.RR{test.A(r.Question[0].Name + " 5 IN A 10.0.0.1")}
		return dns.RcodeSuccess, w.WriteMsg(m)
	})
	tell := &Tell{Next: next, Socket: socket, Node: "w1", Pod: "coredns-1"}
	for _, name := range []string{"Web.shop.", "web.shop.", "gone.", "refused.", "KUBERNETES.default.svc.cluster.local."} {
		m := new(dns.Msg).SetQuestion(name, dns.TypeA)
		if _, err := tell.ServeDNS(t.Context(), &test.ResponseWriter{RemoteIP: "10.244.0.9"}, m); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 64<<10)
	n, err := heard.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	var e event.Event
	if err := json.Unmarshal(buf[:n], &e); err != nil {
		t.Fatal(err)
	}
	got := e.Body.(event.DNSQueries)
	for i := range got.Queries {
		q := &got.Queries[i]
		if q.Took <= 0 || q.Longest <= 0 {
			t.Errorf("%s took %v, at most %v", q.Name, q.Took, q.Longest)
		}
		q.Took, q.Longest = 0, 0
	}
	want := event.DNSQueries{Node: "w1", Pod: "coredns-1", Queries: []event.DNSQuery{
		{Client: "10.244.0.9", Name: "gone.", Kind: "A", Code: "NXDOMAIN", Empty: true, Count: 1},
		{Client: "10.244.0.9", Name: "refused.", Kind: "A", Code: "REFUSED", Count: 1},
		{Client: "10.244.0.9", Name: "web.shop.", Kind: "A", Code: "NOERROR", Count: 2},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

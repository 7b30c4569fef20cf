package test

import (
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"workbench/cluster/event"
	"workbench/test/harness"
)

// outside is a name server on this machine's loopback that knows one name. It ends
// with the test.
func outside(t *testing.T) string {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := dns.NewServeMux()
	mux.HandleFunc(".", func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		if q := r.Question[0]; strings.EqualFold(q.Name, "www.outside.test.") {
			if q.Qtype == dns.TypeA {
				m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(192, 0, 2, 7)}}
			}
		} else {
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})
	server := &dns.Server{PacketConn: packets, Handler: mux}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown(); <-done })
	return packets.LocalAddr().String()
}

// testOutsideNames resolves names outside of the cluster in a lab whose upstream is
// the server above, from the pod tolerant, and finds the lookups in the journal.
func testOutsideNames(t *testing.T, lab *harness.Lab) {
	lab.Eventually("a name of the cluster resolves", "kubectl", "exec", "tolerant", "--", "nslookup", "server.default.svc.cluster.local")
	before := lab.World().Seq
	lab.Kubectl("create", "service", "externalname", "partner", "--external-name=www.outside.test")
	for name, want := range map[string]string{"www.outside.test": "192.0.2.7", "partner": "192.0.2.7"} {
		if out := lab.Eventually(name+" resolves", "kubectl", "exec", "tolerant", "--", "nslookup", name); !strings.Contains(out, want) {
			t.Errorf("%s is %q, want %s", name, out, want)
		}
	}
	if r := lab.Run("kubectl", "exec", "tolerant", "--", "nslookup", "nobody.outside.test"); r.Code == 0 {
		t.Errorf("nobody.outside.test resolves: %s", r.Stdout)
	}
	var pod struct{ Status struct{ PodIP string } }
	lab.Object(&pod, "pod", "tolerant")
	wanted := map[string]string{"www.outside.test.": "NOERROR", "partner.default.svc.cluster.local.": "NOERROR", "nobody.outside.test.": "NXDOMAIN"}
	if !lab.Follow(before, func(e event.Event) bool {
		b, ok := e.Body.(event.DNSQueries)
		if !ok {
			return false
		}
		for _, q := range b.Queries {
			if strings.HasPrefix(q.Name, "kubernetes.default.") {
				t.Errorf("the pulse is among the lookups: %+v", q)
			}
			if q.Client == pod.Status.PodIP && wanted[q.Name] == q.Code && q.Count > 0 && q.Longest > 0 {
				delete(wanted, q.Name)
			}
		}
		return len(wanted) == 0
	}) {
		t.Errorf("lookups that were not told: %v", wanted)
	}
	named := false
	for _, l := range lab.World().DNS.Lookups {
		named = named || l.Pod == "default/tolerant" && l.Name == "www.outside.test."
	}
	if !named {
		t.Errorf("no lookup is known to be of the pod: %+v", lab.World().DNS.Lookups)
	}
	lab.Kubectl("delete", "service", "partner")
}

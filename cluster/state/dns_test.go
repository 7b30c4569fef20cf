package state

import (
	"testing"
	"time"

	"workbench/cluster/event"
)

// TestLookupsAreNamedAndBounded folds lookups of a pod, of a node and of many.
func TestLookupsAreNamedAndBounded(t *testing.T) {
	w := New()
	apply := func(seq uint64, body event.Body) { w.Apply(event.Event{Seq: seq, Time: start, Body: body}) }
	apply(1, event.KubePod{Meta: event.Meta{Namespace: "shop", Name: "web"}, IP: "10.244.0.5", Phase: "Running"})
	apply(2, event.KubePod{Meta: event.Meta{Namespace: "shop", Name: "done"}, IP: "10.244.0.5", Phase: "Succeeded"})
	apply(3, event.KubePod{Meta: event.Meta{Namespace: "shop", Name: "h1"}, IP: "10.10.0.101", Phase: "Running"})
	apply(4, event.KubePod{Meta: event.Meta{Namespace: "shop", Name: "h2"}, IP: "10.10.0.101", Phase: "Running"})
	apply(5, event.DNSQueries{Node: "w1", Pod: "coredns-1", More: 3, Queries: []event.DNSQuery{
		{Client: "10.244.0.5", Name: "db.", Kind: "A", Code: "NXDOMAIN", Count: 2, Took: time.Millisecond},
		{Client: "10.10.0.101", Name: "db.", Kind: "A", Code: "NOERROR", Count: 1},
	}})
	if got := w.DNS.Lookups; len(got) != 2 || got[0].Pod != "shop/web" || got[1].Pod != "" || got[0].Node != "w1" || got[0].Seq != 5 {
		t.Errorf("lookups %+v", got)
	}
	if w.DNS.Total != 6 || w.DNS.Unlisted != 3 || w.DNS.ByCode["NXDOMAIN"] != 2 {
		t.Errorf("totals %+v", w.DNS)
	}
	for i := range uint64(3 * MaxLookups) {
		apply(6+i, event.DNSQueries{Queries: []event.DNSQuery{{Name: "x.", Count: 1}}})
	}
	if n := len(w.DNS.Lookups); n > MaxLookups+MaxLookups/4 {
		t.Errorf("%d lookups kept", n)
	}
}

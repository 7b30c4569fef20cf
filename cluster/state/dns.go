package state

import (
	"time"

	"workbench/cluster/event"
)

// MaxLookups bounds the lookups that a world keeps.
const MaxLookups = 300

// DNS is what the cluster's name service was asked.
type DNS struct {
	// Lookups, oldest first, like ones of a second together.
	Lookups []Lookup `json:"lookups,omitempty"`
	// Total counts lookups of this run, ByCode by the answer's code.
	Total  int64            `json:"total,omitempty"`
	ByCode map[string]int64 `json:"byCode,omitempty"`
	// Unlisted counts those there was no room to list.
	Unlisted int64 `json:"unlisted,omitempty"`
}

// Lookup is like lookups of one client in a second.
type Lookup struct {
	event.DNSQuery
	At   time.Time `json:"at"`
	Seq  uint64    `json:"seq"`  // of the event
	Node string    `json:"node"` // that answered
	// Pod of the client, as namespace/name; "" where its address is none's.
	Pod string `json:"pod,omitempty"`
}

func (w *World) applyDNS(seq uint64, at time.Time, b event.DNSQueries) {
	d := &w.DNS
	for _, q := range b.Queries {
		mk(&d.ByCode)
		d.ByCode[q.Code] += q.Count
		d.Total += q.Count
		d.Lookups = append(d.Lookups, Lookup{DNSQuery: q, At: at, Seq: seq, Node: b.Node, Pod: w.Kube.podAt(q.Client)})
	}
	d.Lookups = bounded(d.Lookups, MaxLookups)
	d.Total += b.More
	d.Unlisted += b.More
}

// podAt is the pod that has an IP address; "" for none, and where several have it,
// as on a node's own.
func (k *Kube) podAt(ip string) string {
	found := ""
	for key, p := range k.Pods {
		if p.IP != ip || p.Over() {
			continue
		}
		if found != "" {
			return ""
		}
		found = key
	}
	return found
}

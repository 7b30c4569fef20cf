package rules

import (
	"fmt"
	"math"
	"strconv"

	"workbench/cluster/event"
)

// userspaceTable is the Table of rules that no kernel has: those of a kube-proxy
// which carries connections itself. Their Chain is the service's key.
const userspaceTable = "userspace"

// FromServices are the rules of userspace mode, in words: it has no other text.
func FromServices(services []event.ProxyService) *Ruleset {
	set := &Ruleset{Mode: Userspace, Services: services}
	for _, s := range services {
		set.Rules = append(set.Rules, OfService(s)...)
	}
	return set
}

// OfService are the rules of one service.
func OfService(s event.ProxyService) []Rule {
	var out []Rule
	add := func(format string, args ...any) {
		out = append(out, Rule{Table: userspaceTable, Chain: s.Key, Ordinal: len(out), Text: fmt.Sprintf(format, args...)})
	}
	for _, f := range s.Frontends {
		at := f.IP
		if at == "" {
			at = "node"
		}
		at += ":" + strconv.Itoa(f.Port)
		switch {
		case f.Problem != "":
			add("%s %s of %s cannot be listened on: %s", s.Protocol, at, s.Key, f.Problem)
		case holds(s, f.Policy == Local && f.Kind == Cluster):
			add("listen on %s %s for %s, %s policy", s.Protocol, at, s.Key, f.Policy)
		default:
			add("refuse %s %s of %s", s.Protocol, at, s.Key)
		}
	}
	if s.Affinity > 0 {
		add("keep a client of %s at its endpoint for %d s", s.Key, s.Affinity)
	}
	for _, e := range s.Endpoints {
		switch {
		case e.Cluster > 0 && e.Local > 0:
			add("send %s to %s, probability %.4f, of the local policy %.4f", s.Key, e.Address, e.Cluster, e.Local)
		case e.Local > 0:
			add("send %s to %s, probability of the local policy %.4f", s.Key, e.Address, e.Local)
		default:
			add("send %s to %s, probability %.4f", s.Key, e.Address, e.Cluster)
		}
	}
	return out
}

// holds says that the service has an endpoint for clients who may come to local
// ones alone, or to any.
func holds(s event.ProxyService, localOnly bool) bool {
	for _, e := range s.Endpoints {
		if e.Local > 0 || !localOnly {
			return true
		}
	}
	return false
}

// Share is the probability of each of n endpoints, rounded as all are.
func Share(n int) float64 { return rounded(1 / float64(n)) }

func rounded(chance float64) float64 { return math.Round(chance*1e4) / 1e4 }

package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

func frontend(f event.ProxyFrontend) string {
	ip := f.IP
	if f.Kind == "node" {
		ip = "node"
	}
	return ip + ":" + strconv.Itoa(f.Port)
}

func frontendWords(kind string, f event.ProxyFrontend) string {
	name := map[string]string{"cluster": "cluster IP", "node": "node port", "external": "external IP", "loadbalancer": "load balancer IP"}[kind]
	if f.Policy == "local" {
		return name + ", local policy"
	}
	return name
}

// choice says how an endpoint is chosen.
func choice(s *state.ProxyService) string {
	text := "random 1 of " + strconv.Itoa(len(s.Endpoints))
	switch {
	case len(s.Endpoints) == 1:
		text = "the only endpoint"
	case len(s.Endpoints) == 0:
		text = "nothing"
	}
	if s.Affinity > 0 {
		text += fmt.Sprintf(", a client stays with it for %s", widget.Age(time.Duration(s.Affinity)*time.Second))
	}
	return text
}

func refusedWords(n *state.ProxyNode, how string) string {
	if n.Mode == event.ProxyUserspace {
		return "no endpoint: nothing listens, clients see “connection refused”"
	}
	if how == "drop" {
		return "no endpoint that may be used from here: packets are dropped"
	}
	return "no endpoint: packets are rejected, clients see “connection refused”"
}

// chance is the probability of an endpoint.
func chance(e event.ProxyEndpoint) string {
	switch {
	case e.Cluster > 0 && e.Local > 0:
		return fmt.Sprintf("p %.3f/%.3f", e.Cluster, e.Local)
	case e.Local > 0:
		return fmt.Sprintf("p local %.3f", e.Local)
	}
	return fmt.Sprintf("p %.3f", e.Cluster)
}

// unenforced says of the cluster's NetworkPolicies that they have no effect; "" when
// there is none.
func unenforced(w *state.World) string {
	n := len(w.Kube.NetworkPolicies)
	if n == 0 {
		return ""
	}
	first := slices.Sorted(maps.Keys(w.Kube.NetworkPolicies))[0]
	if n == 1 {
		return "NetworkPolicy " + first + " has no effect: nothing in the lab enforces it"
	}
	return fmt.Sprintf("%d NetworkPolicies, such as %s, have no effect: nothing in the lab enforces them", n, first)
}

// rateSpan is what a rate is the mean over.
const rateSpan = 10 * time.Second

// rate is new connections a second in the last seconds.
func rate(cx *screen.Context, s *state.ProxyService) float64 {
	n := len(s.Rates)
	if n < 2 {
		return 0
	}
	first := s.Rates[n-1]
	for i := n - 2; i >= 0; i-- {
		if first = s.Rates[i]; cx.Now.Sub(first.At) > rateSpan {
			break
		}
	}
	if cx.Now.Sub(s.Rates[n-1].At) > rateSpan {
		return 0
	}
	return float64(s.Rates[n-1].Conns-first.Conns) / min(max(cx.Now.Sub(first.At).Seconds(), 1), rateSpan.Seconds())
}

func rateText(cx *screen.Context, s *state.ProxyService) string {
	switch r := rate(cx, s); {
	case r == 0:
		return "-"
	case r < 9.95:
		return fmt.Sprintf("%.1f/s", r)
	default:
		return fmt.Sprintf("%.0f/s", r)
	}
}

// sparkline is new connections in each of the last seconds, the newest at the right.
func sparkline(cx *screen.Context, s *state.ProxyService, w int) string {
	counts := make([]uint64, w)
	most := uint64(1)
	for i := 1; i < len(s.Rates); i++ {
		ago := int(cx.Now.Sub(s.Rates[i].At) / time.Second)
		if ago >= 0 && ago < w {
			counts[w-1-ago] += s.Rates[i].Conns - s.Rates[i-1].Conns
			most = max(most, counts[w-1-ago])
		}
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, n := range counts {
		b.WriteRune(bars[int(n*7/most)])
	}
	return b.String()
}

func hasEndpoint(s *state.ProxyService, address string) bool {
	return slices.ContainsFunc(s.Endpoints, func(e event.ProxyEndpoint) bool { return e.Address == address })
}

// addresses are all endpoints of a service that something is known of, sorted.
func addresses(s *state.ProxyService) []string {
	var out []string
	for address := range s.Count.Endpoints {
		out = append(out, address)
	}
	sortStrings(out)
	return out
}

func sortStrings(s []string) { slices.Sort(s) }

func clamp(v, low, high int) int { return min(max(v, low), high) }

func equal(a, b []string) bool { return slices.Equal(a, b) }

func contains(all []string, one string) bool { return slices.Contains(all, one) }

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return strconv.Itoa(n) + " entries"
}

package demo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// Report is what a tour saw.
type Report struct {
	Lab           string `json:"lab"`
	Kubernetes    string `json:"kubernetes"`
	Etcd          string `json:"etcd"`
	Containerd    string `json:"containerd"`
	ControlPlanes int    `json:"controlPlanes"`
	Workers       int    `json:"workers"`
	// GracePeriodMilliseconds is after how long without a heartbeat a Node
	// becomes NotReady, EvictionMilliseconds how long its pods then stay: most of
	// what follows the death of a worker is these.
	GracePeriodMilliseconds int64 `json:"gracePeriodMs"`
	EvictionMilliseconds    int64 `json:"evictionDelayMs"`
	// BootMilliseconds is how long the lab needed until it ran; 0 if it ran
	// before. Set by who booted it.
	BootMilliseconds int64 `json:"bootMs,omitempty"`
	// DeployMilliseconds is from the request to deploy until all replicas were
	// ready and in the EndpointSlice.
	DeployMilliseconds int64   `json:"deployMs,omitempty"`
	Replicas           int     `json:"replicas"`
	Acts               []Scene `json:"acts"`
	Recovered          bool    `json:"recovered"`
	Problem            string  `json:"problem,omitempty"`
}

// Scene is one act of the report.
type Scene struct {
	Kind  Kind   `json:"kind"`
	Node  string `json:"node"`
	Title string `json:"title"`
	Hops  []Hop  `json:"hops"`
	Felt  []Felt `json:"felt"`
}

// Find is a hop of the report by the act's kind and its name.
func (r Report) Find(kind Kind, name string) (Hop, bool) {
	for _, s := range r.Acts {
		for _, h := range s.Hops {
			if s.Kind == kind && h.Name == name {
				return h, true
			}
		}
	}
	return Hop{}, false
}

func (t *tour) report() Report {
	r := Report{Replicas: t.Replicas, DeployMilliseconds: t.deployed.Milliseconds()}
	t.see(func(w *state.World) string {
		topology := w.Topology
		r.Lab, r.Kubernetes, r.Etcd, r.Containerd = topology.Name, topology.KubernetesVersion, topology.EtcdVersion, topology.ContainerdVersion
		r.GracePeriodMilliseconds, r.EvictionMilliseconds = topology.GracePeriod.Milliseconds(), topology.EvictionDelay.Milliseconds()
		for _, n := range topology.Nodes {
			if n.Role == event.Worker {
				r.Workers++
			} else {
				r.ControlPlanes++
			}
		}
		r.Acts = scenes(t.acts, t.rec.ordered())
		return ""
	})
	return r
}

// scenes cuts the events into acts: each lasts until the next begins.
func scenes(acts []Act, events []event.Event) []Scene {
	var out []Scene
	for i, a := range acts {
		during := events
		if i+1 < len(acts) {
			end := 0
			for end < len(events) && events[end].Time.Before(acts[i+1].Began) {
				end++
			}
			during = events[:end]
		}
		hops := a.Hops(during)
		slices.SortStableFunc(hops, func(a, b Hop) int { return cmp.Compare(a.order(), b.order()) })
		out = append(out, Scene{Kind: a.Kind, Node: a.Node, Title: title(a), Hops: hops, Felt: a.Felt(during)})
	}
	return out
}

// order puts hops by time, and those without one at the end.
func (h Hop) order() int64 {
	if h.Milliseconds == nil {
		return math.MaxInt64
	}
	return *h.Milliseconds
}

func title(a Act) string {
	switch a.Kind {
	case LeaderKilled:
		return "Kill " + a.Node + ", where etcd's Raft leader runs"
	case LeaderReturned:
		return "Bring back " + a.Node
	case WorkerKilled:
		return fmt.Sprintf("Kill %s, where %d of %d pods of the application run", a.Node, len(a.Pods), a.Replicas)
	}
	return "Bring back " + a.Node
}

// WriteJSON writes the report as JSON.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func hopLine(h Hop) string {
	return fmt.Sprintf("  %s  %s", h.when(), h.Name+h.detail())
}

// when is the time of a hop, 11 characters wide.
func (h Hop) when() string {
	switch {
	case h.Milliseconds != nil:
		return fmt.Sprintf("%8d ms", *h.Milliseconds)
	case h.Note != "":
		return fmt.Sprintf("%11s", "-")
	}
	return "not observed"
}

func (h Hop) detail() string {
	switch {
	case h.Note != "":
		return " (" + h.Note + ")"
	case h.Of > 1 && h.First != nil:
		return fmt.Sprintf(" (%d; first after %d ms)", h.Of, *h.First)
	}
	return ""
}

var users = map[string]string{Service: "the Service", APIRead: "API, reading", APIWrite: "API, writing"}

func (r Report) outcome() string {
	if r.Recovered {
		return "Everything recovered."
	}
	return strings.TrimSpace("NOT RECOVERED. " + r.Problem)
}

package supervisor

import (
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/spec"
	"workbench/cluster/state"
)

// TestPodsReady holds that addons that a lab has are waited for, and no others.
func TestPodsReady(t *testing.T) {
	deployment := func(name string, replicas, ready int32) *event.KubeDeployment {
		return &event.KubeDeployment{Meta: event.Meta{Namespace: "kube-system", Name: name}, Replicas: replicas, Ready: ready}
	}
	both, dns := spec.Addons{DNS: true, Metrics: true}, spec.Addons{DNS: true}
	for name, c := range map[string]struct {
		addons spec.Addons
		there  []*event.KubeDeployment
		ready  bool
	}{
		"not installed":       {dns, nil, false},
		"not seen by anyone":  {dns, []*event.KubeDeployment{deployment("coredns", 0, 0)}, false},
		"one of two":          {dns, []*event.KubeDeployment{deployment("coredns", 2, 1)}, false},
		"all of one addon":    {both, []*event.KubeDeployment{deployment("coredns", 2, 2)}, false},
		"all":                 {both, []*event.KubeDeployment{deployment("coredns", 2, 2), deployment("metrics-server", 1, 1)}, true},
		"others do not count": {dns, []*event.KubeDeployment{deployment("coredns", 2, 2), deployment("metrics-server", 1, 0)}, true},
		"none wanted":         {spec.Addons{Storage: true}, nil, true},
	} {
		w := state.New()
		for _, d := range c.there {
			w.Kube.Deployments[d.Key()] = d
		}
		if got := podsReady(w, c.addons); got != c.ready {
			t.Errorf("%s: %t", name, got)
		}
	}
}

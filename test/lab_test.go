// Package test drives the built binary against real labs: real etcd, real
// kubelets, real containers. Every test ends by asserting that no process,
// namespace, mount, control group or listener is left.
//
// Tests run one after another, and those that can share a lab are subtests of
// one: booting is what takes the time. Beside each other they would be quicker, but
// what they hold of delays, leases and the pulse is true of a machine with room only.
package test

import (
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// TestLab takes the default lab through a day of its life.
func TestLab(t *testing.T) {
	lab := harness.Up(t, harness.Opts{})
	for _, part := range []struct {
		name string
		run  func(*testing.T, *harness.Lab)
	}{
		{"Boots", testBoots},
		{"RunsPods", testRunsPods},
		{"ResolvesNames", testDNS},
		{"IsACloud", testCloud},
		{"TracesACommand", testTraces},
		{"ServesMetrics", testMetrics},
		{"Schedules", testSchedules},
		{"TakesThePulse", testPulse},
		{"SeesRaft", testRaft},
		{"TellsTheTruth", testTellsTheTruth},
		{"WatchesEveryChange", testWatch},
		{"RefusesWhatCannotBe", testRefusals},
		{"ShowsProxyRules", testProxy},
		{"SurvivesTheLossOfTheLeader", testLeaderLoss},
		{"SurvivesTheLossOfAWorker", testWorkerLoss},
		{"Records", testRecords},
		{"Rewinds", testRewinds},
		{"PausesNodes", testPause},
		{"StopsNodesInOrder", testOrderlyStop},
		{"KillsAndRestartsComponents", testComponents},
		{"SurvivesAKubelet", testKubeletLoss},
		{"ComesBackFromDisk", testComesBack},
	} {
		ok := t.Run(part.name, func(t *testing.T) {
			sub := lab.With(t)
			whole(sub)
			part.run(t, sub)
		})
		if !ok {
			break // what follows would fail of the same
		}
	}
}

// whole waits until all of the lab is up: each part begins and ends with it.
func whole(lab *harness.Lab) *state.World {
	return lab.Await("the whole lab to be up", func(w *state.World) bool {
		if w.Phase != event.Running || w.Raft.Leader() == "" {
			return false
		}
		for name, n := range w.Nodes {
			if n.State != event.NodeRunning {
				return false
			}
			for _, c := range n.Components {
				if c.State != event.ComponentReady {
					return false
				}
			}
			if n.Role == event.Worker && !ready(w, name) {
				return false
			}
		}
		return true
	})
}

// ready says whether Kubernetes has the node Ready by a heartbeat of its
// present life.
func ready(w *state.World, node string) bool {
	n, lease := w.Kube.Nodes[node], w.Kube.NodeLease(node)
	return n != nil && n.Ready == "True" && lease != nil && lease.Renewed.After(w.Nodes[node].Since)
}

// workers are the names of the lab's workers.
func workers(w *state.World) []string {
	var names []string
	for _, n := range w.Topology.Nodes {
		if n.Role == event.Worker {
			names = append(names, n.Name)
		}
	}
	return names
}

// Package test drives the built binary against real labs: real etcd, real
// kubelets, real containers. Every test ends by asserting that no process,
// namespace, mount, control group or listener is left.
//
// Tests that can share a lab are subtests of one: booting is what takes the time.
// Those subtests that do not touch each other run at the same time. The great tests
// have the machine for themselves, but for what takes idle time only (test/beside):
// what they hold of delays, leases and the pulse is true of a machine with room. The
// small ones, of labs that boot and end, and that of a lab file, run beside each other.
package test

import (
	"sync"
	"sync/atomic"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// part is a part of a test of one lab.
type part struct {
	name string
	run  func(*testing.T, *harness.Lab)
}

// together runs parts that do not touch each other at the same time, and says
// whether all have passed.
func together(t *testing.T, lab *harness.Lab, parts ...part) bool {
	t.Helper()
	var all sync.WaitGroup
	var failed atomic.Bool
	for _, p := range parts {
		all.Go(func() {
			if !t.Run(p.name, func(t *testing.T) { p.run(t, lab.With(t)) }) {
				failed.Store(true)
			}
		})
	}
	all.Wait()
	return !failed.Load()
}

// TestLab takes the default lab through a day of its life.
func TestLab(t *testing.T) {
	lab := harness.Up(t, harness.Opts{})
	for _, parts := range [][]part{
		{{"Boots", testBoots}},
		{{"RunsPods", testRunsPods}},
		{{"ResolvesNames", testDNS}, {"TracesACommand", testTraces}},
		{{"IsACloud", testCloud}, {"ServesMetrics", testMetrics}},
		{{"Schedules", testSchedules}, {"ShowsProxyRules", testProxy}},
		{{"TakesThePulse", testPulse}},
		{{"SeesRaft", testRaft}},
		{{"TellsTheTruth", testTellsTheTruth}, {"RefusesWhatCannotBe", testRefusals}},
		{{"WatchesEveryChange", testWatch}},
		{{"SurvivesTheLossOfTheLeader", testLeaderLoss}},
		{{"SurvivesTheLossOfAWorker", testWorkerLoss}},
		{{"Records", testRecords}, {"Rewinds", testRewinds}},
		{{"PausesNodes", testPause}},
		{{"StopsNodesInOrder", testOrderlyStop}},
		{{"KillsAndRestartsComponents", testComponents}, {"SurvivesAKubelet", testKubeletLoss}},
		{{"ComesBackFromDisk", testComesBack}},
	} {
		whole(lab)
		if !together(t, lab, parts...) {
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

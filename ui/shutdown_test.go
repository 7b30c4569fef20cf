package ui

import (
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
)

// TestShutdownIsShown follows a worker that shuts down gracefully, on the Lab screen
// and within the node.
func TestShutdownIsShown(t *testing.T) {
	events := eventsUntil(t, insideJournal, insideBroken)
	last := events[len(events)-1]
	d := openInside(t, 200, 60, insideBroken)
	tell := func(after time.Duration, bodies ...event.Body) {
		for _, body := range bodies {
			last.Seq++
			d.send(eventsMsg{[]event.Event{{Seq: last.Seq, Time: last.Time.Add(after), Body: body}}})
		}
	}
	sees := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			if frame := d.frame(); !strings.Contains(frame, text) {
				t.Errorf("%q is not in\n%s", text, frame)
			}
		}
	}
	tell(time.Second, event.NodeInhibitors{Node: "w2", Inhibitors: []event.Inhibitor{{Who: "kubelet", Why: "Kubelet needs time to handle node shutdown"}}, Limit: 15 * time.Second})
	sees("may delay a shutdown kubelet 15.0s")
	tell(2*time.Second, event.NodeShutdown{Node: "w2", Phase: event.ShutdownAnnounced, Waits: []string{"kubelet"}, Limit: 15 * time.Second})
	tell(6*time.Second, event.KubeEvent{Reason: "NodeNotReady"})
	sees("shuts down", "11.0s left to kubelet")
	d.press("esc")
	sees("shuts down", "shutdown announced, inhibitor held by kubelet")
	tell(7*time.Second, event.NodeInhibitors{Node: "w2", Limit: 15 * time.Second},
		event.NodeShutdown{Node: "w2", Phase: event.ShutdownReleased, Limit: 15 * time.Second, Took: 5 * time.Second},
		event.NodeState{Node: "w2", State: event.NodeStopped, Cause: "stopped by a user"})
	sees("inhibitor released after 5s", "kubelet delayed the shutdown for 5.0s")
}

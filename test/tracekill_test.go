package test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// mute is a Service whose only endpoint nobody is.
const mute = `
apiVersion: v1
kind: Service
metadata: {name: mute}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: mute, labels: {kubernetes.io/service-name: mute}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [%s], conditions: {ready: true}}]
`

// killDuringTrace kills a worker while a connection to it is traced that waits for
// an answer: the trace ends, and says what it cannot know.
func killDuringTrace(t *testing.T, lab *harness.Lab, victim string) {
	t.Helper()
	w := lab.World()
	pods, err := netip.ParsePrefix(w.Kube.Nodes[victim].PodCIDR)
	if err != nil {
		t.Fatal(err)
	}
	last := pods.Masked().Addr().As4()
	last[3] = 254
	lab.Apply(fmt.Sprintf(mute, netip.AddrFrom4(last)))
	t.Cleanup(func() { lab.Kubectl("delete", "service/mute", "endpointslice/mute", "--ignore-not-found") })
	w = lab.Await("the rules of mute", func(w *state.World) bool {
		s := w.Proxy.Nodes["w1"].Services["default/mute"]
		return s != nil && len(s.Endpoints) == 1
	})
	tracing := lab.Begin("proxy", "trace", "w1", "mute")
	for over := false; !over && !strings.Contains(inNode(t, w.Nodes["w1"].PID, "nft", "list", "tables"), "workbench-trace"); {
		select {
		case <-tracing.Done():
			t.Log("the trace was over before the node was killed, so that it had nothing to say of that")
			over = true
		default:
		}
	}
	lab.Must("node", "kill", victim, "--yes")
	if out, code := lab.AwaitExit(tracing); code != 0 || !strings.Contains(out, "NO REPLY") {
		t.Errorf("the trace ended with %d:\n%s", code, out)
	}
	killed := false
	for _, e := range lab.Events(w.Seq) {
		switch b := e.Body.(type) {
		case event.NodeState:
			killed = killed || b.Node == victim && b.State == event.NodeKilled
		case event.ProxyTrace:
			if told := strings.Contains(strings.Join(b.Limits, " "), victim+" ended during the trace"); killed && !told {
				t.Errorf("%s ended first, and the trace says %q", victim, b.Limits)
			}
		}
	}
}

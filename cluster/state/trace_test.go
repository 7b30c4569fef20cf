package state

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
)

const traceOne = "0123456789abcdef0123456789abcdef"

// traced folds a trace in which one command makes a ReplicaSet that makes a pod,
// while others do other things.
func traced(t *testing.T) (*World, func(ms int, body event.Body)) {
	t.Helper()
	w, seq := New(), uint64(0)
	apply := func(ms int, body event.Body) {
		seq++
		w.Apply(event.Event{Seq: seq, Time: start.Add(time.Duration(ms) * time.Millisecond), Body: body})
	}
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	change := func(rev int64, verb event.ChangeVerb, kind, resource, name, uid string, owner ...event.ChangeOwner) event.KubeChange {
		return event.KubeChange{Revision: rev, Verb: verb, Kind: kind, Resource: resource, Namespace: "shop", Name: name, UID: uid, Owners: owner}
	}
	write := func(id, user string, received int, took time.Duration, uid string, rev int64) event.KubeRequests {
		return event.KubeRequests{Node: "c1", Requests: []event.KubeRequest{{ID: id, Verb: "create", User: user, Code: 201, Received: at(received), Latency: took,
			Objects: []event.ObjectRevision{{UID: uid, Revision: rev}}}}}
	}
	apply(0, event.LabTopology{Nodes: []event.TopologyNode{{Name: "c1", Role: event.ControlPlane}, {Name: "w1", Role: event.Worker}}})
	apply(5, change(4, event.ChangeCreate, "Pod", "pods", "older", "u0"))
	apply(10, event.TraceStarted{ID: traceOne, Command: "kubectl apply -f x.yaml"})
	apply(30, change(5, event.ChangeCreate, "ReplicaSet", "replicasets", "web", "u1"))
	apply(31, write("a1", "kubernetes-admin", 20, 12*time.Millisecond, "u1", 5))
	apply(40, event.TraceSpans{Spans: []event.TraceSpan{{Trace: traceOne, ID: "01", Name: "POST /rs 201", Kind: "client", Start: at(19), Took: 14 * time.Millisecond, Attrs: map[string]string{event.SpanAuditID: "a1"}}}})
	apply(41, event.TraceSpans{Node: "c1", Component: "kube-apiserver", Spans: []event.TraceSpan{
		{Trace: traceOne, ID: "02", Parent: "01", Name: "POST /rs", Kind: "server", Start: at(20), Took: 12 * time.Millisecond, Attrs: map[string]string{"code": "201"}},
		{Trace: "ff", ID: "66", Name: "of another trace", Start: at(20)},
	}})
	apply(42, event.TraceSpans{Node: "c1", Component: "etcd", Spans: []event.TraceSpan{{Trace: traceOne, ID: "03", Parent: "02", Name: "etcdserverpb.KV/Txn", Start: at(25), Took: 5 * time.Millisecond}}})
	apply(50, change(6, event.ChangeCreate, "Pod", "pods", "web-1", "u2", event.ChangeOwner{Kind: "ReplicaSet", Name: "web", UID: "u1", Controller: true}))
	apply(51, write("a2", "system:serviceaccount:kube-system:replicaset-controller", 45, 7*time.Millisecond, "u2", 6))
	apply(52, change(7, event.ChangeCreate, "ConfigMap", "configmaps", "other", "u9"))
	apply(60, event.SchedCycle{Instance: "c1", Pod: event.SchedPod{Namespace: "shop", Name: "web-1", UID: "u2"}, Attempt: 1, Start: at(58), Queued: 3 * time.Millisecond, Took: time.Millisecond, Outcome: event.SchedScheduled, Node: "w1"})
	apply(200, event.TraceSpans{Node: "w1", Component: "kubelet", Spans: []event.TraceSpan{
		{Trace: "k1", ID: "11", Name: "syncPod", Start: at(70), Took: 120 * time.Millisecond, Attrs: map[string]string{event.SpanPodUID: "u2", "k8s.pod.update_type": "create"}},
		{Trace: "k2", ID: "12", Name: "syncPod", Start: at(70), Took: time.Millisecond, Attrs: map[string]string{event.SpanPodUID: "u0"}},
	}})
	apply(201, event.TraceSpans{Node: "w1", Component: "containerd", Spans: []event.TraceSpan{{Trace: "k1", ID: "13", Parent: "11", Name: "runtime.v1.RuntimeService/RunPodSandbox", Start: at(80), Took: 90 * time.Millisecond, Error: "no network"}}})
	apply(202, event.ContainerEvent{Node: "w1", What: event.ContainerStarted, Namespace: "shop", Pod: "web-1", Container: "app"})
	return w, apply
}

// TestTraceJoinsWhatCameOfACommand holds the waterfall of a whole trace.
func TestTraceJoinsWhatCameOfACommand(t *testing.T) {
	w, apply := traced(t)
	if p := w.Progress(w.Trace(traceOne)); p.Pods != 1 || p.Ready != 0 || !p.Expects || len(p.Waiting) != 1 {
		t.Errorf("progress %+v before the pod is ready", p)
	}
	ready := event.KubeChange{Revision: 8, Previous: 6, Verb: event.ChangeUpdate, Kind: "Pod", Resource: "pods", Namespace: "shop", Name: "web-1", UID: "u2",
		Fields: []event.FieldChange{{Path: "status.conditions[Ready].status", Old: "False", New: "True"}}}
	apply(300, ready)
	apply(301, event.KubePod{Meta: event.Meta{Namespace: "shop", Name: "web-1", UID: "u2"}, Ready: true, Status: "Running"})
	if p := w.Progress(w.Trace(traceOne)); p.Ready != 1 || len(p.Waiting) != 0 {
		t.Errorf("progress %+v when the pod is ready", p)
	}
	apply(400, event.TraceEnded{ID: traceOne, Exit: 0, Ran: 35 * time.Millisecond, Cause: "settled"})
	trace := w.Trace(traceOne)
	if trace.Open() || trace.Spans != nil || trace.Asked != nil {
		t.Errorf("an ended trace keeps %d spans", len(trace.Spans))
	}
	var got []string
	for _, b := range w.Waterfall(trace) {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s+%d %d %s: %s [%s] %s", strings.Repeat(" ", b.Depth), b.Start.Sub(start).Milliseconds(), b.Took.Milliseconds(), b.Who, b.Text, b.Source, b.Error)))
	}
	want := []string{
		"+10 35 command: kubectl apply -f x.yaml [client]",
		"+19 14 client: POST /rs 201 [client]",
		"+20 12 apiserver c1: POST /rs 201 [otlp]",
		"+25 5 etcd c1: KV/Txn [otlp]",
		"+30 0 user: replicaset/web created [etcd]",
		"+45 255 pod: shop/web-1 until Ready [etcd]",
		"+45 7 rs: pod/web-1 created [audit]",
		"+55 3 scheduler c1: queued [scheduler]",
		"+58 1 scheduler c1: attempt 1: scheduled w1 [scheduler]",
		"+70 120 kubelet w1: syncPod create [otlp]",
		"+80 90 containerd w1: RuntimeService/RunPodSandbox [otlp] no network",
		"+202 0 containerd w1: container app started [containerd]",
		"+300 0 ?: pod/web-1 conditions[Ready] True [etcd]",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("waterfall:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestTracesAreBounded floods a world with spans and traces.
func TestTracesAreBounded(t *testing.T) {
	w, apply := traced(t)
	for i := range 3 * MaxTraceSpans {
		apply(210, event.TraceSpans{Node: "c1", Component: "etcd", Spans: []event.TraceSpan{{Trace: traceOne, ID: fmt.Sprint("x", i), Name: "x", Start: start, Took: time.Duration(i)}}})
	}
	trace := w.Trace(traceOne)
	if len(trace.Spans) != MaxTraceSpans || trace.Dropped == 0 {
		t.Errorf("%d spans kept, %d dropped", len(trace.Spans), trace.Dropped)
	}
	apply(220, event.TraceEnded{ID: traceOne})
	if n := len(w.Trace(traceOne).Bars); n != MaxTraceBars {
		t.Errorf("%d bars kept", n)
	}
	for i := range 2 * MaxCommandTraces {
		apply(230, event.TraceStarted{ID: fmt.Sprint("t", i)})
	}
	if len(w.Traces) != MaxCommandTraces || w.Trace(traceOne) != nil {
		t.Errorf("%d traces kept", len(w.Traces))
	}
}

package plain

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

func journal(t *testing.T) []event.Event { return recorded(t, "failover") }

func recorded(t *testing.T, name string) []event.Event {
	t.Helper()
	data, err := os.ReadFile("../testdata/" + name + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var events []event.Event
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// TestJournal reads recorded journals as a person would.
func TestJournal(t *testing.T) {
	for _, name := range []string{"failover", "images"} {
		var out bytes.Buffer
		w := NewWriter(&out, state.New())
		if err := w.Write(recorded(t, name)); err != nil {
			t.Fatal(err)
		}
		golden := "testdata/" + name + ".txt"
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, out.Bytes()) {
			t.Errorf("the lines differ from %s; look at them with -update and git diff", golden)
		}
		if w.World().Seq == 0 {
			t.Error("the writer must fold what it prints")
		}
	}
}

// What comes all the time has no line: a quiet lab is quiet.
func TestSamplesHaveNoLine(t *testing.T) {
	w := state.New()
	w.Apply(event.Event{Seq: 1, Body: event.LabTopology{Name: "demo", Nodes: []event.TopologyNode{{Name: "w1", Components: []string{"kubelet"}}}}})
	ready := event.ComponentState{Node: "w1", Component: "kubelet", State: event.ComponentReady, PID: 4}
	w.Apply(event.Event{Seq: 2, Body: ready})
	pod := event.KubePod{Meta: event.Meta{Namespace: "demo", Name: "web"}, Status: "Running", Ready: true}
	w.Apply(event.Event{Seq: 3, Body: pod})
	for _, body := range []event.Body{
		event.ComponentUsage{Node: "w1"}, event.Probe{Target: "api-read", OK: true},
		event.KubeLease{Meta: event.Meta{Namespace: "kube-node-lease", Name: "w1"}, Holder: "w1"},
		event.RaftStatus{Node: "c1", Commit: 4}, ready, pod, event.Unknown{Name: "of.the.future"},
	} {
		if line := Line(event.Event{Body: body}, w); line != "" {
			t.Errorf("%s says %q", body.Type(), line)
		}
	}
}

func TestLines(t *testing.T) {
	at := time.Date(2026, 1, 2, 10, 42, 7, 300e6, time.UTC)
	w := state.New()
	w.Apply(event.Event{Time: at.Add(-time.Second), Body: event.Probe{Target: "api-write", Error: "timeout"}})
	w.Apply(event.Event{Body: event.SourceState{Source: "watch"}})
	w.Apply(event.Event{Body: event.KubeNode{Meta: event.Meta{Name: "w2"}, Ready: "True"}})
	w.Apply(event.Event{Body: event.KubeNode{Meta: event.Meta{Name: "w3"}, Ready: "True", Pressures: []event.Pressure{{Type: "DiskPressure"}}}})
	for want, body := range map[string]event.Body{
		"node w3                  MemoryPressure True  DiskPressure False":    event.KubeNode{Meta: event.Meta{Name: "w3"}, Ready: "True", Pressures: []event.Pressure{{Type: "MemoryPressure"}}},
		"probe api-write          answers again after 1s":                     event.Probe{Target: "api-write", OK: true},
		"c1/etcd                  ended by signal: killed, held down: by you": event.ComponentState{Node: "c1", Component: "etcd", State: event.ComponentStopped, Signal: "killed", Cause: "by you"},
		"c1/etcd                  exited with status 2, starts again in 1s":   event.ComponentState{Node: "c1", Component: "etcd", State: event.ComponentExited, ExitCode: 2, Backoff: time.Second},
		"source watch             is back":                                    event.SourceState{Source: "watch", OK: true},
		"node w2                  Ready True > Unknown: NodeStatusUnknown  +taint node.kubernetes.io/unreachable:NoExecute": event.KubeNode{Meta: event.Meta{Name: "w2"}, Ready: "Unknown", Reason: "NodeStatusUnknown",
			Taints: []event.Taint{{Key: "node.kubernetes.io/unreachable", Effect: "NoExecute"}}},
		"pod demo/web             deleted":                                                                 event.KubeDeleted{Kind: "Pod", Meta: event.Meta{Namespace: "demo", Name: "web"}},
		"w2                       you asked for node.kill, refused: it is down":                            event.Action{Verb: "node.kill", Target: "w2", Error: "it is down"},
		"lab                      failed: step c1/etcd: no space left":                                     event.LabPhase{Phase: event.Failed, Detail: "step c1/etcd:\nno space left"},
		"networkpolicy demo/deny  not enforced: nothing in the lab acts on it, pods are reached as before": event.KubeNetworkPolicy{Meta: event.Meta{Namespace: "demo", Name: "deny"}},
		"pod demo/web             BackOff: Back-off restarting failed container (2 lines)":                 event.KubeEvent{EventType: "Warning", Reason: "BackOff", Message: "Back-off restarting failed container\n(2 lines)", Regarding: "Pod/demo/web"},
	} {
		if got := Line(event.Event{Time: at, Body: body}, w); got != "10:42:07.300  "+want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// One who attaches later is told what the world still knows, in order.
func TestRecent(t *testing.T) {
	w := state.New()
	for _, e := range journal(t) {
		w.Apply(e)
	}
	entries := Recent(w)
	var text []string
	for i, e := range entries {
		if i > 0 && e.At.Before(entries[i-1].At) {
			t.Fatalf("%v is out of order", e)
		}
		text = append(text, e.Subject+" "+e.Text)
	}
	all := strings.Join(text, "\n")
	for _, want := range []string{"c3/etcd became leader in term 4", "w2 node killed: killed by you: SIGKILL to its init",
		"w2 you asked for node.kill: kill -9 4752", "node w2 Ready Unknown: NodeStatusUnknown", "probe api-write answers again after"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing in\n%s", want, all)
		}
	}
}

// TestWaterfallFitsItsWidth draws a span, an instant and what is inferred.
func TestWaterfallFitsItsWidth(t *testing.T) {
	start := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	bars := []state.Bar{
		{Start: start, Took: time.Second, Who: "command", Text: "kubectl apply -f x.yaml", Source: state.BarClient},
		{Start: start.Add(500 * time.Millisecond), Took: 500 * time.Millisecond, Depth: 1, Who: "apiserver c1", Text: "POST", Source: state.BarOTLP},
		{Start: start.Add(time.Second), Depth: 2, Who: "rs", Text: "pod/web created", Source: state.BarEtcd, Inferred: true, Error: "refused"},
		{Start: start.Add(time.Second), Took: time.Microsecond, Depth: 2, Who: "etcd c1", Text: "short", Source: state.BarOTLP},
	}
	want := []string{
		"    START      TOOK  WHO           WHAT                                    0───────────────────1.00s",
		"     +0µs     1.00s  command       kubectl apply -f x.yaml                 ░░░░░░░░░░░░░░░░░░░░░░░░░",
		"   +500ms     500ms  apiserver c1   POST                                               █████████████",
		"   +1.00s         ·  rs              pod/web created ? ✗ refused                                   ◆",
	}
	shown, hidden := Hide(bars, time.Millisecond)
	got := Waterfall(shown, 100)
	if hidden != 1 || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d hidden\n%s\nwant\n%s", hidden, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

package fault

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	control = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
	worker  = []string{"api-balancer", "containerd", "kubelet", "kube-proxy"}
)

func lab() Lab {
	l := Lab{Pods: []string{"demo/web-1", "demo/web-2", "kube-system/coredns-1"}, Runs: map[string]Run{"demo/web-1": {"w2", []string{"web:2", "proxy:1"}}}}
	for i := range 3 {
		l.Nodes = append(l.Nodes, event.TopologyNode{Name: fmt.Sprintf("c%d", i+1), Role: event.ControlPlane, Components: control})
	}
	for i := range 3 {
		l.Nodes = append(l.Nodes, event.TopologyNode{Name: fmt.Sprintf("w%d", i+1), Role: event.Worker, Components: worker})
	}
	return l
}

func resolve(t *testing.T, text string) event.FaultInjected {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	f, err := Resolve(r, lab())
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

// TestRendered holds what sets of faults want: one set a block, in the file.
func TestRendered(t *testing.T) {
	const file = "testdata/render.txt"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for block := range strings.SplitSeq(strings.TrimSpace(string(raw)), "\n\n") {
		input, _, _ := strings.Cut(block, "\n----")
		var set []event.FaultInjected
		for line := range strings.Lines(input) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
				set = append(set, resolve(t, line))
			}
		}
		got = append(got, input+"\n----\n"+strings.TrimSpace(Render(set).String()))
	}
	text := strings.Join(got, "\n\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if text != string(raw) {
		t.Errorf("got\n%s\nwant\n%s", text, raw)
	}
}

// texts are faults of every kind that stays on.
var texts = []string{
	"cut c1 c2", "cut c1->c3", "loss c1 c2 30%", "loss w1 10%", "loss c1->c2 7.3%", "delay c1 c2 50ms", "delay w1 80ms --jitter 20ms", "delay c1->c2 3ms",
	"rate w1 10mbit", "rate w1 c1 2mbit", "rate w1 1gbit", "partition c1/c2,c3,w*", "outside w1", "loss w1 outside 5%",
	"kill w1", "stop w1", "freeze w1", "kill c1/etcd", "freeze c1/etcd", "crashloop c1/etcd", "squeeze w1 memory 300Mi", "squeeze w1 memory 1Gi cpu 0.5",
	"disk-full w1", "disk-full w1,w2 --leave 50Mi", "cordon w1", "drain w1,w2", "cert-expire w1", "cert-expire c1/etcd,c2",
	"image-gone web:2", "image-gone demo/web-1", "image-gone web:2 w1",
}

// TestOrderDoesNotMatter renders random sets in random orders, and takes faults
// out in random orders: what is left is what a new set of the rest would be.
func TestOrderDoesNotMatter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var set []event.FaultInjected
		for i := range random.IntN(8) {
			f := resolve(t, texts[random.IntN(len(texts))])
			f.ID = fmt.Sprint("f", i)
			set = append(set, f)
		}
		for len(set) > 0 {
			shuffled := slices.Clone(set)
			random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			if a, b := Render(set).String(), Render(shuffled).String(); a != b {
				t.Fatalf("in one order\n%sin another\n%s", a, b)
			}
			set = shuffled[1:]
		}
		if d := Render(set); d.String() != "" {
			t.Fatalf("nothing is on, but\n%s", d)
		}
	}
}

func TestCanonicalText(t *testing.T) {
	for in, want := range map[string]string{
		"cut c1 c2":                               "cut c1 c2",
		"cut c1->c2 --for 10m":                    "cut c1->c2",
		"cut c1 -> c2":                            "cut c1->c2",
		"cut c1→c2":                               "cut c1->c2",
		"cut c1 c2 --one-way":                     "", // the arrow says it
		"loss w1 0.3":                             "loss w1 30%",
		"loss w1 33.3%":                           "loss w1 33.3%",
		"delay w1 80ms --jitter=20ms --for 30s":   "delay w1 80ms --jitter 20ms --for 30s",
		"--for ever delay w1,w2 c1 0.08s":         "delay w1,w2 c1 80ms --for ever",
		"rate w1 0.5gbit":                         "rate w1 500mbit",
		"rate w1 10Mbit/s":                        "rate w1 10mbit",
		"partition c1 | c2,c3,w* --for 30s":       "partition c1/c2,c3,w* --for 30s",
		"kill w1,w2,w1 -y":                        "kill w1,w2",
		"squeeze w1 cpu 0.2 memory 300Mi":         "squeeze w1 memory 300Mi cpu 0.2",
		"squeeze w1 memory 1024Mi":                "squeeze w1 memory 1Gi",
		"disk-full --leave=1024Mi w1":             "disk-full w1 --leave 1Gi",
		"pod-kill demo/web-1":                     "pod-kill demo/web-1",
		"loss outside->c1 100%":                   "loss outside->c1 100%",
		"crashloop */kube-scheduler --for 1h0m0s": "crashloop */kube-scheduler --for 1h0m0s",
	} {
		r, err := Parse(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if want == "" {
			if !r.OneWay {
				t.Errorf("%s goes both ways", in)
			}
			continue
		}
		if got := r.String(); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "which fault?",
		"smash c1":                          `no fault "smash"; there are cut, loss`,
		"pause w1":                          "pause is called freeze",
		"disk-full w1 --leave much":         "no size",
		"kill w1 --leave 5Mi":               "--leave goes with disk-full",
		"cut":                               "which link?",
		"cut c1 c2 c3":                      "more than two ends",
		"cut c1/etcd c2":                    "links are between nodes",
		"cut c1 c2 --jitter 5ms":            "--jitter goes with delay",
		"cut c1 --one-way":                  "two ends",
		"cut c1 c2 --for":                   "--for needs a value, such as --for 30s",
		"cut c1 c2 --for soon":              "want a duration",
		"cut c1 c2 --for 1000h":             "at most 168h0m0s",
		"cut c1 c2 --force":                 "no flag --force",
		"loss w1":                           "the share, such as 30%, is missing",
		"loss w1 130%":                      "above 0% and up to 100%",
		"loss w1 NaN":                       "no share",
		"delay w1 fast":                     "no delay",
		"delay w1 2h":                       "1m0s is the most",
		"delay w1 5ms --jitter 10ms":        "more than the delay",
		"rate w1 10":                        "no rate",
		"rate w1 1bit":                      "want 8kbit to 100gbit",
		"partition c1,c2":                   "only one group",
		"partition c1//c2":                  "empty name",
		"kill":                              "is missing",
		"kill w1 w2":                        `"w2" is too much`,
		"stop w1/kubelet":                   "no node",
		"crashloop w1":                      "no component",
		"squeeze w1":                        "memory or cpu is missing",
		"squeeze w1 memory 12Q":             "want at least 1Mi",
		"squeeze w1 cpu many":               "want a number",
		"squeeze w1 disk 1Gi":               "neither memory nor cpu",
		"pod-kill web":                      "no pod",
		"kill " + strings.Repeat("x", 5000): "4096 are the most",
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "30% is", "30%, is"), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func TestNamesMustExist(t *testing.T) {
	for text, want := range map[string]string{
		"cut c1 c9":           `no node "c9"; there are c1, c2`,
		"cut x* c1":           `no node "x*"`,
		"cut c1 c1":           "no link to itself",
		"cut [ c1":            "no pattern",
		"partition c1/c1,c2":  "c1 is in two groups",
		"kill w9":             `no node "w9"`,
		"kill w9/kubelet":     `no node "w9"`,
		"kill w1/etcd":        `no component "w1/etcd"; there are w1/api-balancer`,
		"crashloop */nothing": `no component`,
		"disk-full c1":        `no node that runs a kubelet, and so has a disk of its own, "c1"; there are w1, w2, w3`,
		"pod-oom demo/none":   `no pod "demo/none"; there are demo/web-1`,
	} {
		r, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, err := Resolve(r, lab()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// world is a lab that runs.
func world() *state.World {
	w := state.New()
	w.Apply(event.Event{Body: event.LabTopology{Nodes: lab().Nodes}})
	for _, n := range lab().Nodes {
		w.Apply(event.Event{Body: event.NodeState{Node: n.Name, State: event.NodeRunning}})
		for _, c := range n.Components {
			w.Apply(event.Event{Body: event.ComponentState{Node: n.Name, Component: c, State: event.ComponentReady}})
		}
	}
	return w
}

func TestDangers(t *testing.T) {
	for _, c := range []struct {
		on   []string
		more string
		want []string // parts of the sentences
	}{
		{nil, "kill c1", nil},
		{nil, "kill w1", nil},
		{[]string{"kill c1"}, "kill c2", []string{"quorum: of 3 members only 1"}},
		{[]string{"kill c1"}, "kill c1/etcd", nil},
		{[]string{"cut c1 c2", "cut c1 c3"}, "cut c2 c3", []string{"quorum"}},
		{nil, "cut c1 c2", nil},
		{nil, "partition c1/c2/c3", []string{"quorum"}},
		{nil, "loss c1,c2,c3 100%", []string{"quorum", "no worker"}},
		{nil, "freeze */etcd", []string{"quorum"}},
		{nil, "kill */kube-apiserver", []string{"no kube-apiserver is left"}},
		{nil, "kill c*", []string{"quorum", "no kube-apiserver"}},
		{[]string{"kill w1", "freeze w2"}, "stop w3", []string{"no worker is left"}},
		{nil, "partition c*/w*", []string{"no worker is left"}},
		{[]string{"kill c1", "kill c2"}, "kill c3/kube-scheduler", nil}, // lost already
		{[]string{"cordon w1", "cordon w2"}, "cordon w3", []string{"takes new pods"}},
		{[]string{"cordon w1", "disk-full w2"}, "disk-full w3", []string{"takes new pods"}},
		{nil, "delay c1 5s", nil},
	} {
		w := world()
		for i, text := range c.on {
			f := resolve(t, text)
			f.ID = fmt.Sprint("f", i)
			w.Apply(event.Event{Body: f})
		}
		got := Dangers(w, resolve(t, c.more))
		if len(got) != len(c.want) {
			t.Errorf("%v and %s: %q, want %q", c.on, c.more, got, c.want)
			continue
		}
		for i, part := range c.want {
			if !strings.Contains(got[i], part) {
				t.Errorf("%v and %s: %q, want %q", c.on, c.more, got[i], part)
			}
		}
	}
}

func TestComplete(t *testing.T) {
	for text, want := range map[string][]string{
		"cr":                     {"crashloop"},
		"pod":                    {"pod-kill", "pod-oom"},
		"cut c1 w":               {"cut c1 w1", "cut c1 w2", "cut c1 w3"},
		"cut c1 o":               {"cut c1 outside"},
		"cut c1->w":              {"cut c1->w1", "cut c1->w2", "cut c1->w3"},
		"partition c1/c2,w":      {"partition c1/c2,w1", "partition c1/c2,w2", "partition c1/c2,w3"},
		"loss w1 3":              {"loss w1 30%"},
		"delay w1 80ms --j":      {"delay w1 80ms --jitter"},
		"kill c1/e":              {"kill c1/etcd"},
		"squeeze w1 m":           {"squeeze w1 memory"},
		"squeeze w1 memory ":     {"squeeze w1 memory 300Mi", "squeeze w1 memory 1Gi"},
		"disk":                   {"disk-full"},
		"disk-full w3":           {"disk-full w3"},
		"disk-full w3 --l":       {"disk-full w3 --leave"},
		"cordon w1 --for 3":      {"cordon w1 --for 30s"},
		"pod-kill kube-system/c": {"pod-kill kube-system/coredns-1"},
		"nonsense x":             nil,
	} {
		if got := Complete(text, lab()); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestEveryKindIsDescribed(t *testing.T) {
	for _, k := range Kinds() {
		if k.Usage == "" || k.Text == "" || !strings.Contains(Grammar(), "  "+k.Word+" ") {
			t.Errorf("%s is not described", k.Word)
		}
	}
	f := resolve(t, "cut c1 w*")
	if got := Consequence(f); !strings.HasPrefix(got, "c1-w1, c1-w2, c1-w3: no packet passes") {
		t.Errorf("got %q", got)
	}
	if got := LinkText(event.LinkCondition{Loss: 0.3, Delay: 50 * time.Millisecond, Jitter: time.Millisecond, Rate: 1e7}); got != "30% loss +50ms±1ms 10mbit" {
		t.Errorf("got %q", got)
	}
}

// FuzzParse holds that nothing typed makes the parser fail otherwise than by an
// error, and that a canonical text means what it was made of.
func FuzzParse(f *testing.F) {
	for _, text := range append([]string{"cut a -> b", "loss a,b 0.01", "partition a|b --for ever", "squeeze a cpu 1e-2"}, texts...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		Complete(text, lab())
		r, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(r.String())
		if err != nil {
			t.Fatalf("%q became %q: %v", text, r.String(), err)
		}
		if again.String() != r.String() {
			t.Fatalf("%q became %q, then %q", text, r.String(), again.String())
		}
		if one, err := Resolve(r, lab()); err == nil {
			_ = Render([]event.FaultInjected{one}).String()
			Dangers(world(), one)
		}
	})
}

package campaign

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/fault"
)

func topology(planes, workers int) []event.TopologyNode {
	var out []event.TopologyNode
	for i := range planes {
		out = append(out, event.TopologyNode{Name: fmt.Sprint("c", i+1), Role: event.ControlPlane, Components: []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}})
	}
	for i := range workers {
		out = append(out, event.TopologyNode{Name: fmt.Sprint("w", i+1), Role: event.Worker, Components: []string{"api-balancer", "containerd", "kubelet", "kube-proxy"}})
	}
	return out
}

func draw(t *testing.T, nodes []event.TopologyNode, seed uint64, kinds []string, overlap, n int) [][]Planned {
	t.Helper()
	g, err := NewGenerator(nodes, seed, kinds, overlap)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]Planned
	for range n {
		out = append(out, g.Next())
	}
	return out
}

func TestSameSeedSameFaults(t *testing.T) {
	nodes := topology(3, 2)
	one, again, other := draw(t, nodes, 7, nil, 2, 100), draw(t, nodes, 7, nil, 2, 100), draw(t, nodes, 8, nil, 2, 100)
	if !reflect.DeepEqual(one, again) {
		t.Error("the same seed gives other faults")
	}
	if reflect.DeepEqual(one, other) {
		t.Error("another seed gives the same faults")
	}
}

// TestBlastRadius draws many groups in labs of many sizes and asks, by other
// means than the generator, what each would leave.
func TestBlastRadius(t *testing.T) {
	for _, size := range [][2]int{{3, 2}, {3, 1}, {1, 2}, {5, 4}, {3, 6}} {
		nodes := topology(size[0], size[1])
		overlapped, kinds := 0, map[string]bool{}
		for i, group := range draw(t, nodes, uint64(size[0]*10+size[1]), nil, 3, 300) {
			if len(group) == 0 {
				t.Fatalf("%v: group %d is empty", size, i)
			}
			if len(group) > 1 {
				overlapped++
			}
			hit := map[string]bool{}
			for _, p := range group {
				hit[p.Node] = true
				kind, _, _ := strings.Cut(p.Text, " ")
				kinds[kind] = true
				if kind == fault.Cordon && strings.HasPrefix(p.Node, "c") {
					t.Errorf("%s: a control plane is no Node", p.Text)
				}
				r, err := fault.Parse(p.Text)
				if err != nil {
					t.Fatalf("%v: %v", size, err)
				}
				f, err := fault.Resolve(r, fault.Lab{Nodes: nodes})
				if err != nil {
					t.Fatalf("%v: %v", size, err)
				}
				// Whatever it does is done to its node, or to a link of it.
				for _, name := range append(f.Nodes, f.Components...) {
					if name, _, _ = strings.Cut(name, "/"); name != p.Node {
						t.Errorf("%s is held against %s", p.Text, p.Node)
					}
				}
				for _, l := range f.Links {
					if l.From != p.Node && l.To != p.Node {
						t.Errorf("%s changes %v and is held against %s", p.Text, l, p.Node)
					}
				}
				if p.Hold < time.Second || p.Hold > 10*time.Second {
					t.Errorf("%s holds for %v", p.Text, p.Hold)
				}
			}
			planes, workers := 0, 0
			for name := range hit {
				if strings.HasPrefix(name, "c") {
					planes++
				} else {
					workers++
				}
			}
			if size[0]-planes < size[0]/2+1 || size[1]-workers < 1 {
				t.Errorf("%v: group %d hits %d control planes and %d workers: %v", size, i, planes, workers, group)
			}
		}
		if len(kinds) != len(Kinds()) && size != [2]int{3, 1} && size != [2]int{1, 2} {
			t.Errorf("%v: only %v were drawn", size, kinds)
		}
		if overlapped == 0 && size[0] > 1 && size[1] > 1 {
			t.Errorf("%v: no faults overlap", size)
		}
	}
}

func TestGeneratorRefuses(t *testing.T) {
	for _, c := range []struct {
		nodes   []event.TopologyNode
		kinds   []string
		overlap int
		says    string
	}{
		{topology(1, 1), nil, 1, "nothing to spare"},
		{topology(3, 2), []string{"smash"}, 1, `no kind "smash"`},
		{topology(3, 2), []string{fault.PodKill}, 1, "no kind"},
		{topology(3, 2), nil, 0, "overlap of 0"},
	} {
		if _, err := NewGenerator(c.nodes, 1, c.kinds, c.overlap); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want %q", err, c.says)
		}
	}
	if groups := draw(t, topology(3, 2), 1, Slow(), 1, 30); !slices.ContainsFunc(groups, func(g []Planned) bool { return strings.HasPrefix(g[0].Text, "disk-full w") }) ||
		!slices.ContainsFunc(groups, func(g []Planned) bool { return strings.HasPrefix(g[0].Text, "cert-expire c") }) {
		t.Errorf("of the slow kinds it draws %v", groups)
	}
	for _, group := range draw(t, topology(3, 2), 1, []string{fault.Kill, fault.Loss}, 1, 50) {
		if len(group) != 1 || !slices.ContainsFunc([]string{"kill ", "loss "}, func(k string) bool { return strings.HasPrefix(group[0].Text, k) }) {
			t.Errorf("got %v", group)
		}
	}
}

func TestRadiusSaysWhy(t *testing.T) {
	nodes := topology(3, 2)
	if why := Radius(nodes, []Planned{{Text: "kill c1"}}, Planned{Text: "freeze c2/etcd"}); !strings.Contains(why, "quorum") {
		t.Errorf("got %q", why)
	}
	if why := Radius(nodes, nil, Planned{Text: "kill w1,w2"}); !strings.Contains(why, "no worker") {
		t.Errorf("got %q", why)
	}
}

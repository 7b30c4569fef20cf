package plan_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/plan"
	"workbench/cluster/spec"
)

var update = flag.Bool("update", false, "write the golden files anew")

// machine is one that every lab of these tests fits on.
var machine = spec.Machine{CPUs: 64, MemoryBytes: 256 << 30}

func load(t *testing.T, file string) spec.Lab {
	t.Helper()
	lab, err := spec.Load("lab.yaml", strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Validate(machine); err != nil {
		t.Fatal(err)
	}
	return lab
}

func planned(t *testing.T, lab spec.Lab) plan.Plan {
	t.Helper()
	p, err := plan.New(plan.Config{
		Lab: lab, APIPort: 40001, CPUs: 4, Versions: plan.Versions{Kubernetes: "v1.37.2", Etcd: "v3.7.3", Containerd: "v2.4.2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestGolden holds everything that decides what runs: a change of any argument,
// file or step shows in review as a change of text.
func TestGolden(t *testing.T) {
	labs := map[string]spec.Lab{
		"default":   spec.Default(),
		"smallest":  load(t, "apiVersion: workbench/v1alpha1\nkind: Lab\nspec: {controlPlanes: {count: 1}, workers: {count: 1}}\n"),
		"userspace": load(t, "apiVersion: workbench/v1alpha1\nkind: Lab\nspec: {controlPlanes: {count: 1}, workers: {count: 1}, network: {proxyMode: userspace}}\n"),
		"upstreams": load(t, "apiVersion: workbench/v1alpha1\nkind: Lab\nspec: {controlPlanes: {count: 1}, workers: {count: 0}, failureDetection: kubernetes}\n"),
		"everything": load(t, `apiVersion: workbench/v1alpha1
kind: Lab
metadata: {name: everything}
spec:
  controlPlanes: {count: 1, memory: 2Gi}
  workers: {count: 2, cpus: 1.5, memory: 1Gi}
  nodes:
    w1:
      labels: {disk: ssd, zone: a}
      taints: [{key: dedicated, value: batch, effect: NoSchedule}, {key: spot, effect: NoExecute}]
    w2: {cpus: 2, memory: 3Gi}
  network: {fabricCIDR: 10.20.0.0/24, podCIDR: 10.100.0.0/16, serviceCIDR: 10.101.0.0/20, loadBalancerCIDR: 10.102.0.0/28, proxyMode: nftables}
  featureGates: {ContextualLogging: true, InPlacePodVerticalScaling: false}
  components:
    etcd: {extraArgs: {quota-backend-bytes: "4294967296"}}
    kube-apiserver: {extraArgs: {v: "4"}}
    kubelet: {extraArgs: {max-pods: "20"}}
    kube-proxy: {extraArgs: {v: "2"}}
    kube-scheduler:
      config: |
        apiVersion: kubescheduler.config.k8s.io/v1
        kind: KubeSchedulerConfiguration
        profiles:
        - {schedulerName: default-scheduler}
        - schedulerName: packed
          pluginConfig:
          - name: NodeResourcesFit
            args: {scoringStrategy: {type: MostAllocated}}
`),
	}
	for name, lab := range labs {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := planned(t, lab).WriteText(&got); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", name+".txt"), got.Bytes())
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; write it with: go test ./cluster/plan -update", err)
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		if g, w := at(gotLines, i), at(wantLines, i); g != w {
			t.Fatalf("%s:%d: the plan has\n%s\nwant\n%s\nif that is meant: go test ./cluster/plan -update", file, i+1, g, w)
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

// TestStepsAreAGraph holds what the executor relies on, for many shapes.
func TestStepsAreAGraph(t *testing.T) {
	for _, shape := range [][2]int{{1, 0}, {1, 1}, {3, 3}, {5, 30}} {
		lab := spec.Default()
		lab.Spec.ControlPlanes.Count, lab.Spec.Workers.Count = shape[0], shape[1]
		p := planned(t, lab)
		done := map[string]bool{}
		for _, s := range p.Steps {
			if done[s.ID] {
				t.Errorf("%v: step %s is there twice", shape, s.ID)
			}
			for _, id := range slices.Concat(s.After, s.AfterAny) {
				if !done[id] && !slices.ContainsFunc(p.Steps, func(o plan.Step) bool { return o.ID == id }) {
					t.Errorf("%v: step %s comes after %s, which is no step", shape, s.ID, id)
				}
			}
			done[s.ID] = true
		}
		if order := sorted(p.Steps); len(order) != len(p.Steps) {
			t.Errorf("%v: the steps wait for each other in a circle; only %d of %d can run", shape, len(order), len(p.Steps))
		}
	}
}

// sorted are the steps that can run, in an order in which they can.
func sorted(steps []plan.Step) []string {
	var order []string
	for {
		before := len(order)
		for _, s := range steps {
			isDone := func(id string) bool { return slices.Contains(order, id) }
			if isDone(s.ID) || slices.ContainsFunc(s.After, func(id string) bool { return !isDone(id) }) {
				continue
			}
			if len(s.AfterAny) == 0 || slices.ContainsFunc(s.AfterAny, isDone) {
				order = append(order, s.ID)
			}
		}
		if len(order) == before {
			return order
		}
	}
}

// TestTopologyIsThePlan holds that the topology event says what the plan does.
func TestTopologyIsThePlan(t *testing.T) {
	p := planned(t, spec.Default())
	if len(p.Topology.Nodes) != len(p.Nodes) {
		t.Fatalf("the topology has %d nodes, the plan %d", len(p.Topology.Nodes), len(p.Nodes))
	}
	for i, n := range p.Nodes {
		tn := p.Topology.Nodes[i]
		var names []string
		for _, c := range n.Components {
			names = append(names, c.Name)
		}
		if tn.Name != n.Name || tn.Role != n.Role() || tn.IP != n.Address.String() || !slices.Equal(tn.Components, names) {
			t.Errorf("the topology has %+v for node %s at %s with %v", tn, n.Name, n.Address, names)
		}
		started := 0
		for _, s := range p.Steps {
			if s.Node == n.Name && s.Kind == plan.StepComponent {
				started++
			}
		}
		if started != len(names) {
			t.Errorf("%d steps start the %d components of %s", started, len(names), n.Name)
		}
	}
	if p.Topology.APIAddress != "127.0.0.1:40001" {
		t.Errorf("the API is at %s", p.Topology.APIAddress)
	}
	want := []string{"10.10.0.11:6443", "10.10.0.12:6443", "10.10.0.13:6443"}
	if got := p.APIServers(); !slices.Equal(got, want) {
		t.Errorf("API servers %v, want %v", got, want)
	}
	if role := p.Nodes[3].Role(); role != event.Worker {
		t.Errorf("w1 is a %s", role)
	}
}

// TestExtraArgsWin holds that a user's argument takes the place of ours.
func TestExtraArgsWin(t *testing.T) {
	lab := spec.Default()
	lab.Spec.Components = map[string]spec.Component{"etcd": {ExtraArgs: map[string]string{"snapshot-count": "77"}}}
	for _, c := range planned(t, lab).Nodes[0].Components {
		if c.Name != "etcd" {
			continue
		}
		var found []string
		for _, a := range c.Args {
			if strings.HasPrefix(a, "--snapshot-count=") {
				found = append(found, a)
			}
		}
		if !slices.Equal(found, []string{"--snapshot-count=77"}) {
			t.Errorf("etcd gets %v", found)
		}
	}
}

func TestNewRefusesBrokenNetworks(t *testing.T) {
	lab := spec.Default()
	lab.Spec.Network.ServiceCIDR = "10.96.0.0"
	if _, err := plan.New(plan.Config{Lab: lab}); err == nil || !strings.Contains(err.Error(), "service network") {
		t.Errorf("a broken service network gives %v", err)
	}
	lab = spec.Default()
	lab.Spec.Network.FabricCIDR = "fabric"
	if _, err := plan.New(plan.Config{Lab: lab}); err == nil || !strings.Contains(err.Error(), "fabric network") {
		t.Errorf("a broken fabric network gives %v", err)
	}
}

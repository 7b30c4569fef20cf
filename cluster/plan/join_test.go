package plan_test

import (
	"slices"
	"strings"
	"testing"

	"workbench/cluster/plan"
	"workbench/cluster/spec"
)

// TestJoin holds that a node that is added is planned as at a boot, and that
// nothing of the others is.
func TestJoin(t *testing.T) {
	lab := load(t, "apiVersion: workbench/v1alpha1\nkind: Lab\nmetadata: {name: lab}\n")
	lab, w, err := lab.Add(spec.Addition{})
	if err != nil {
		t.Fatal(err)
	}
	lab, c, err := lab.Add(spec.Addition{ControlPlane: true})
	if err != nil {
		t.Fatal(err)
	}
	p := planned(t, lab)
	for name, want := range map[string]string{
		w.Name: "w4/root pki w4 w4/store w4/api-balancer w4/containerd w4/kubelet w4/kube-proxy w4/ready",
		c.Name: "c4/root pki c4 c4/etcd c4/kube-apiserver c4/kube-controller-manager c4/cloud-controller-manager c4/kube-scheduler",
	} {
		steps, err := p.Join(name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range steps {
			got = append(got, s.ID)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("steps of %s: %s, want %s", name, text, want)
		}
	}
	if _, err := p.Join("w9"); err == nil {
		t.Error("a node that is not planned can join")
	}
	i := slices.IndexFunc(p.Nodes, func(n plan.Node) bool { return n.Name == "c4" })
	etcd, err := p.Nodes[i].Joining([]string{"c1=https://10.10.0.11:2380", p.Nodes[i].Initial()})
	if err != nil {
		t.Fatal(err)
	}
	for _, arg := range []string{"--initial-cluster=c1=https://10.10.0.11:2380,c4=https://10.10.0.14:2380", "--initial-cluster-state=existing"} {
		if !slices.Contains(etcd.Args, arg) {
			t.Errorf("etcd of a node that joins lacks %s: %v", arg, etcd.Args)
		}
	}
	if again, _ := p.Nodes[i].Component("etcd"); !slices.Contains(again.Args, "--initial-cluster-state=new") {
		t.Error("joining changed the plan")
	}
}

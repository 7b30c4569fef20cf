package plan

import (
	"workbench/cluster/event"
	"workbench/cluster/spec"
)

// Kind says what a step does.
type Kind string

// The kinds of steps.
const (
	StepRoots     Kind = "roots"     // directories and files of all nodes
	StepRoot      Kind = "root"      // the same of one node that joins
	StepPKI       Kind = "pki"       // certificates and kubeconfigs
	StepImages    Kind = "images"    // the golden image store
	StepFabric    Kind = "fabric"    // lab init and the bridge
	StepStore     Kind = "store"     // a worker's image store, from the golden one
	StepNode      Kind = "node"      // a node's init and its network
	StepComponent Kind = "component" // start and wait until ready
	StepReady     Kind = "ready"     // Node object is Ready
	StepAddons    Kind = "addons"    // objects of the addons; their pods come later
	StepSettled   Kind = "settled"   // the addons' pods are Ready, or take too long
)

// Step is one step of the boot. It runs when all of After are done and, where
// AfterAny is not empty, one of those.
type Step struct {
	ID        string
	Kind      Kind
	Title     string
	Node      string
	Component string
	After     []string
	AfterAny  []string
}

// steps orders the boot. Only true dependencies are named: all else runs in
// parallel.
func steps(nodes []Node, addons spec.Addons) []Step {
	out := []Step{
		{ID: "roots", Kind: StepRoots, Title: "Prepare node file systems"},
		{ID: "pki", Kind: StepPKI, Title: "Issue certificates", After: []string{"roots"}},
		{ID: "images", Kind: StepImages, Title: "Unpack images"},
		{ID: "fabric", Kind: StepFabric, Title: "Start lab init and fabric bridge"},
	}
	var apiservers, joined []string
	for _, n := range nodes {
		if n.ControlPlane {
			apiservers = append(apiservers, n.Name+"/kube-apiserver")
		} else {
			joined = append(joined, n.Name+"/ready")
		}
	}
	first := joined // what comes before the other control planes
	if addons != (spec.Addons{}) && len(joined) > 0 {
		out = append(out, Step{ID: "addons", Kind: StepAddons, Title: "Install addons", AfterAny: apiservers})
		if addons.Pods() && len(apiservers) > 1 {
			first = []string{"addons/ready"}
			out = append(out, Step{ID: "addons/ready", Kind: StepSettled, Title: "Wait for the addons' pods", After: append([]string{"addons"}, joined...)})
		}
	}
	for _, n := range nodes {
		out = append(out, Step{ID: n.Name, Kind: StepNode, Title: "Start node " + n.Name, Node: n.Name, After: []string{"fabric", "pki"}})
		if n.Role() == event.Worker {
			// Its disk links to the images of its root, so those are there first.
			out[len(out)-1].After = append(out[len(out)-1].After, n.Name+"/store")
			out = append(out, Step{ID: n.Name + "/store", Kind: StepStore, Title: "Give " + n.Name + " the image store", Node: n.Name, After: []string{"roots", "images"}})
		}
		for _, c := range n.Components {
			s := Step{ID: n.Name + "/" + c.Name, Kind: StepComponent, Title: "Start " + c.Name + " on " + n.Name, Node: n.Name, Component: c.Name, After: []string{n.Name}}
			switch c.Name {
			case "kube-apiserver":
				s.After = append(s.After, n.Name+"/etcd")
				if s.ID != apiservers[0] {
					// As with kubeadm, the first bootstraps the cluster, workers join it,
					// and then the other control planes do: on few processors nodes are
					// Ready a quarter sooner, as is what runs on them.
					s.After = append(s.After, apiservers[0])
					s.After = append(s.After, first...)
				}
			case "kube-controller-manager", "kube-scheduler":
				s.After = append(s.After, n.Name+"/kube-apiserver")
			case "cloud-controller-manager":
				// A node is Ready once kube-controller-manager gave it a network; that
				// the cloud has seen it is needed by then, and takes less.
				s.After = append(s.After, n.Name+"/kube-controller-manager")
			case "containerd":
				s.After = append(s.After, n.Name+"/store")
			// What asks the API may start before it answers: the balancer holds its
			// connections until then.
			case "kubelet":
				s.After = append(s.After, n.Name+"/containerd", n.Name+"/api-balancer")
			case "kube-proxy":
				s.After = append(s.After, n.Name+"/api-balancer")
			}
			out = append(out, s)
		}
		if n.Role() == event.Worker {
			out = append(out, Step{ID: n.Name + "/ready", Kind: StepReady, Title: "Wait for node " + n.Name + " to be Ready", Node: n.Name, After: []string{n.Name + "/kubelet"}})
		}
	}
	return out
}

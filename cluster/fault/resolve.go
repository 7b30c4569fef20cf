package fault

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"workbench/cluster/event"
)

// Lab is what the names of a request are looked up in.
type Lab struct {
	Nodes []event.TopologyNode
	// Pods are the keys, namespace/name, of the pods that exist.
	Pods []string
	// Runs says, by the key of a pod, where it runs and what its images are.
	Runs map[string]Run
}

// Run is where a pod runs, and the images of its containers.
type Run struct {
	Node   string
	Images []string
}

// Resolve gives a request its targets: every name must be something in the lab,
// every pattern must match. The result has no ID and no owner yet.
func Resolve(r Request, lab Lab) (event.FaultInjected, error) {
	f := event.FaultInjected{
		Kind: r.Kind, Text: r.String(), Lease: r.Lease, Loss: r.Loss, Delay: r.Delay, Jitter: r.Jitter, Rate: r.Rate,
		CPUs: r.CPUs, MemoryBytes: r.MemoryBytes, LeaveBytes: r.LeaveBytes,
	}
	var err error
	switch r.Kind {
	case Cut, Loss, Delay, Rate, CutOff:
		f.Links, err = lab.links(r)
	case Partition:
		f.Links, err = lab.parts(r.Groups)
	case ImageGone:
		f.Nodes, f.Images, err = lab.images(r)
	case PodKill, PodOOM:
		f.Pods, err = lab.pods(r.Targets)
	case EtcdLoseDisk, EtcdCorrupt:
		f.Components, err = lab.etcds(r.Targets)
	case DiskFull:
		f.Nodes, err = match(r.Targets, lab.withDisk(), "node that runs a kubelet, and so has a disk of its own,")
	case CertExpire:
		f.Components, err = lab.certificates(r.Targets)
	default:
		f.Nodes, f.Components, err = lab.targets(r.Targets)
	}
	if err != nil {
		return event.FaultInjected{}, fmt.Errorf("%s: %w", r.Kind, err)
	}
	return f, nil
}

func (l Lab) names() []string {
	var out []string
	for _, n := range l.Nodes {
		out = append(out, n.Name)
	}
	return out
}

// match are the names that a list of names and patterns means, in the order of
// the lab.
func match(patterns, names []string, what string) ([]string, error) {
	hit := map[string]bool{}
	for _, p := range patterns {
		found := false
		for _, name := range names {
			if ok, err := path.Match(p, name); err != nil {
				return nil, fmt.Errorf("%q is no pattern", p)
			} else if ok {
				hit[name], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("no %s %q; there are %s", what, p, some(names))
		}
	}
	var out []string
	for _, name := range names {
		if hit[name] {
			out = append(out, name)
		}
	}
	return out, nil
}

// some are as many names as fit in a message.
func some(names []string) string {
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// end is a list of nodes; the outside must be named, no pattern means it.
func (l Lab) end(patterns []string) ([]string, error) {
	var nodes []string
	outside := false
	for _, p := range patterns {
		if p == event.Outside {
			outside = true
		} else {
			nodes = append(nodes, p)
		}
	}
	out, err := match(nodes, l.names(), "node")
	if outside {
		out = append(out, event.Outside)
	}
	return out, err
}

func (l Lab) links(r Request) ([]event.FaultLink, error) {
	from, err := l.end(r.From)
	if err != nil {
		return nil, err
	}
	to := l.names()
	switch {
	case r.Kind == CutOff:
		to = []string{event.Outside}
	case len(r.To) > 0:
		if to, err = l.end(r.To); err != nil {
			return nil, err
		}
	case r.Kind == Rate:
		to = []string{event.AnyNode} // what it sends, and what it receives, in all
	}
	var out []event.FaultLink
	for _, a := range from {
		for _, b := range to {
			if a == b {
				continue
			}
			out = append(out, event.FaultLink{From: a, To: b})
			if !r.OneWay {
				out = append(out, event.FaultLink{From: b, To: a})
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no link to itself", strings.Join(from, ","))
	}
	return distinct(out), nil
}

func (l Lab) parts(groups [][]string) ([]event.FaultLink, error) {
	side := map[string]int{}
	var sides [][]string
	for i, patterns := range groups {
		nodes, err := l.end(patterns)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			if _, twice := side[n]; twice {
				return nil, fmt.Errorf("%s is in two groups", n)
			}
			side[n] = i
		}
		sides = append(sides, nodes)
	}
	var out []event.FaultLink
	for i, one := range sides {
		for _, other := range sides[i+1:] {
			for _, a := range one {
				for _, b := range other {
					out = append(out, event.FaultLink{From: a, To: b}, event.FaultLink{From: b, To: a})
				}
			}
		}
	}
	return distinct(out), nil
}

func distinct(links []event.FaultLink) []event.FaultLink {
	slices.SortFunc(links, compareLinks)
	return slices.Compact(links)
}

func compareLinks(a, b event.FaultLink) int {
	if c := strings.Compare(a.From, b.From); c != 0 {
		return c
	}
	return strings.Compare(a.To, b.To)
}

func (l Lab) pods(patterns []string) ([]string, error) {
	if len(l.Pods) == 0 {
		return nil, fmt.Errorf("no pod %q; no pod is known", strings.Join(patterns, ","))
	}
	return match(patterns, l.Pods, "pod")
}

// images are the images to lose, and the nodes that lose them.
func (l Lab) images(r Request) (nodes, images []string, err error) {
	on := r.On
	images = r.Targets
	if run, ok := l.Runs[r.Targets[0]]; ok {
		images = slices.Compact(slices.Sorted(slices.Values(run.Images)))
		if len(on) == 0 {
			on = []string{run.Node}
		}
	} else if slices.Contains(l.Pods, r.Targets[0]) {
		return nil, nil, fmt.Errorf("pod %s is on no node", r.Targets[0])
	}
	if len(on) == 0 {
		on = []string{"*"}
	}
	nodes, err = match(on, l.with("containerd"), "node with containerd")
	return nodes, images, err
}

// etcds are the etcd members on nodes.
func (l Lab) etcds(patterns []string) ([]string, error) {
	nodes, err := match(patterns, l.withEtcd(), "node with an etcd member")
	for i := range nodes {
		nodes[i] += "/etcd"
	}
	return nodes, err
}

// withDisk are the nodes that have a disk of their own: those with a kubelet.
func (l Lab) withDisk() []string { return l.with("kubelet") }

// withEtcd are the nodes that have an etcd member.
func (l Lab) withEtcd() []string { return l.with("etcd") }

// with are the nodes that run a component.
func (l Lab) with(component string) []string {
	var out []string
	for _, n := range l.Nodes {
		if slices.Contains(n.Components, component) {
			out = append(out, n.Name)
		}
	}
	return out
}

// Certified says that a component has certificates of its own.
func Certified(component string) bool {
	return slices.Contains([]string{"etcd", "kube-apiserver", "kube-controller-manager", "cloud-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"}, component)
}

// certified are all components with certificates.
func (l Lab) certified() []string {
	return slices.DeleteFunc(l.components(), func(target string) bool {
		_, component, _ := strings.Cut(target, "/")
		return !Certified(component)
	})
}

// certificates are components with certificates; a node means all of its.
func (l Lab) certificates(patterns []string) ([]string, error) {
	nodes, out, err := l.targets(patterns)
	if err != nil {
		return nil, err
	}
	all := l.certified()
	for _, target := range out {
		if !slices.Contains(all, target) {
			return nil, fmt.Errorf("%s has no certificate of its own; there are %s", target, some(all))
		}
	}
	for _, target := range all {
		if node, _, _ := strings.Cut(target, "/"); slices.Contains(nodes, node) {
			out = append(out, target)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// targets are nodes and components.
func (l Lab) targets(patterns []string) (nodes, components []string, err error) {
	var all []string
	for _, n := range l.Nodes {
		for _, c := range n.Components {
			all = append(all, n.Name+"/"+c)
		}
	}
	for _, p := range patterns {
		node, _, isComponent := strings.Cut(p, "/")
		if !isComponent {
			found, err := match([]string{p}, l.names(), "node")
			if err != nil {
				return nil, nil, err
			}
			nodes = append(nodes, found...)
			continue
		}
		if _, err := match([]string{node}, l.names(), "node"); err != nil {
			return nil, nil, err
		}
		mine := slices.DeleteFunc(slices.Clone(all), func(c string) bool { name, _, _ := strings.Cut(c, "/"); return name != node })
		if len(mine) == 0 {
			mine = all // the node is a pattern
		}
		found, err := match([]string{p}, mine, "component")
		if err != nil {
			return nil, nil, err
		}
		components = append(components, found...)
	}
	slices.Sort(nodes)
	slices.Sort(components)
	return slices.Compact(nodes), slices.Compact(components), nil
}

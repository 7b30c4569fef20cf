package plan

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// WriteText prints the plan for people; it has everything that decides what
// runs, so that a golden of it shows every change.
func (p Plan) WriteText(w io.Writer) error {
	var out strings.Builder
	t := p.Topology
	fmt.Fprintf(&out, "lab %s  kubernetes %s  etcd %s  containerd %s\n", t.Name, t.KubernetesVersion, t.EtcdVersion, t.ContainerdVersion)
	fmt.Fprintf(&out, "fabric %s (gateway %s)  pods %s  services %s  load balancers %s  api https://%s  failure detection %s\n",
		t.FabricCIDR, p.Gateway.Addr(), t.PodCIDR, t.ServiceCIDR, p.loadBalancers(), t.APIAddress, t.Profile)
	for _, n := range p.Nodes {
		n.writeText(&out)
	}
	out.WriteString("\nSTEPS\n")
	for _, s := range p.Steps {
		fmt.Fprintf(&out, "  %-28s %s", s.ID, s.Title)
		if len(s.After) > 0 {
			fmt.Fprintf(&out, "; after %s", strings.Join(s.After, ", "))
		}
		if len(s.AfterAny) > 0 {
			fmt.Fprintf(&out, "; after any of %s", strings.Join(s.AfterAny, ", "))
		}
		out.WriteByte('\n')
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (p Plan) loadBalancers() string {
	if !p.LoadBalancers.IsValid() {
		return "none"
	}
	return p.LoadBalancers.String()
}

func limitText(name string, set bool, value any) string {
	if !set {
		return name + " of the machine"
	}
	return fmt.Sprintf("%s %v", name, value)
}

func (n Node) writeText(out *strings.Builder) {
	limits := "whole machine"
	if n.CPUs > 0 || n.Memory > 0 {
		limits = limitText("cpus", n.CPUs > 0, n.CPUs) + " " + limitText("memory", n.Memory > 0, n.Memory)
	}
	fmt.Fprintf(out, "\nNODE %s  %s  %s  %s\n", n.Name, n.Role(), n.Address, limits)
	fmt.Fprintf(out, "  namespaces pid mnt uts net ipc cgroup\n")
	for _, k := range slices.Sorted(maps.Keys(n.Sysctls)) {
		fmt.Fprintf(out, "  sysctl %s = %s\n", strings.ReplaceAll(k, "/", "."), n.Sysctls[k])
	}
	for _, path := range slices.Sorted(maps.Keys(n.Files)) {
		f := n.Files[path]
		fmt.Fprintf(out, "  file %s %04o\n", path, f.Mode)
		for line := range strings.Lines(f.Content) {
			out.WriteString("    | " + strings.TrimRight(line, "\n") + "\n")
		}
	}
	for _, c := range n.Components {
		fmt.Fprintf(out, "  component %s  ready: %v  log: %s\n", c.Name, c.Ready, c.Log)
		for _, e := range c.Env {
			out.WriteString("    " + e + "\n")
		}
		for _, a := range c.Args {
			out.WriteString("    " + a + "\n")
		}
	}
}

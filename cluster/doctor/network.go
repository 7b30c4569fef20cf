package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"workbench/cluster/layout"
	"workbench/cluster/spec"
)

func (d *doctor) checkNetwork(ctx context.Context) []Check {
	return append([]Check{d.checkLinks(ctx), d.checkBridgeFilter(), d.checkRules(ctx), d.checkConntrack()}, append(d.checkNFT(), d.checkPorts()...)...)
}

// checkNFT looks for nft where a lab's kube-proxy writes nftables rules: it runs
// nft to do so.
func (d *doctor) checkNFT() []Check {
	state := filepath.Join(d.root, d.options.StateDir)
	names, err := layout.List(state)
	if err != nil {
		return nil // checkStateDir says why
	}
	var wanted []string
	for _, name := range names {
		saved, err := layout.Lab{State: state, Name: name}.Load()
		if err == nil && saved.Lab.Spec.Network.ProxyMode == spec.NFTables {
			wanted = append(wanted, name)
		}
	}
	if asked := d.options.Lab; asked.Spec.Network.ProxyMode == spec.NFTables && !slices.Contains(wanted, asked.Metadata.Name) {
		wanted = append(wanted, asked.Metadata.Name)
	}
	if len(wanted) == 0 {
		return nil
	}
	c := Check{Name: "nft", Status: OK, Why: "kube-proxy writes the rules of " + strings.Join(wanted, ", ") + " with it (proxyMode nftables)"}
	path, err := d.commands.LookPath("nft")
	if err != nil {
		return []Check{d.missing(c, "nftables", "not installed")}
	}
	c.Found = path
	return []Check{c}
}

func (d *doctor) checkLinks(ctx context.Context) Check {
	c := Check{Name: "bridge and veth", Status: OK, Found: "work", Why: "they are the network between nodes and pods"}
	if !d.isRoot() {
		c.Status, c.Found, c.Fix = Warn, "not tried, which needs root", "sudo workbench doctor"
		return c
	}
	if err := d.prober.Links(ctx); err != nil {
		name := "bridge"
		if strings.Contains(err.Error(), "veth") {
			name = "veth"
		}
		return d.module(c, name, err.Error())
	}
	return c
}

func (d *doctor) checkBridgeFilter() Check {
	c := Check{Name: "br_netfilter", Status: OK, Found: "loaded", Why: "a Service must be reachable for pods of the node that its endpoint is on"}
	if !d.exists("/proc/sys/net/bridge/bridge-nf-call-iptables") {
		return d.module(c, "br_netfilter", "not loaded")
	}
	return c
}

func (d *doctor) checkRules(ctx context.Context) Check {
	c := Check{Name: "iptables", Status: OK, Why: "kube-proxy turns Services into rules with it"}
	path, err := d.commands.LookPath("iptables")
	if err != nil {
		return d.missing(c, "iptables", "not installed")
	}
	c.Found = path
	if !d.isRoot() {
		c.Found += "; not tried, which needs root"
		return c
	}
	if err := d.prober.Rules(ctx, path); err != nil {
		c = d.module(c, "nf_tables", err.Error())
		lines := [][]string{{"modprobe", "-a", "nf_tables", "nft_compat", "nf_nat", "nf_conntrack", "xt_MASQUERADE", "xt_addrtype", "xt_comment", "xt_conntrack", "xt_mark", "xt_statistic"}}
		c.Fix, c.repair = d.command(lines...), d.runAll(lines...)
		return c
	}
	c.Found += " works"
	return c
}

func (d *doctor) checkConntrack() Check {
	c := Check{Name: "connection tracking", Status: OK, Found: "on", Why: "the answer of a Service must find its way back"}
	if !d.exists("/proc/sys/net/netfilter/nf_conntrack_max") {
		return d.module(c, "nf_conntrack", "not loaded")
	}
	return c
}

// checkPorts looks whether the API ports of stopped labs are still free.
func (d *doctor) checkPorts() []Check {
	state := filepath.Join(d.root, d.options.StateDir)
	names, err := layout.List(state)
	if err != nil {
		return nil // checkStateDir says why
	}
	var checks []Check
	for _, name := range names {
		lab := layout.Lab{State: state, Name: name}
		saved, err := lab.Load()
		if err != nil || saved.APIPort == 0 || runs(lab) {
			continue
		}
		c := Check{
			Name: "API port of " + name, Status: OK, Found: fmt.Sprintf("127.0.0.1:%d is free", saved.APIPort),
			Why: "kubeconfigs of the lab point to it",
		}
		if !d.kernel.PortFree(saved.APIPort) {
			c.Status, c.Found = Warn, fmt.Sprintf("127.0.0.1:%d is used by another program", saved.APIPort)
			c.Fix = d.command([]string{"ss", "-ltnp", fmt.Sprintf("'sport = :%d'", saved.APIPort)}) + "  # shows which; end it"
		}
		checks = append(checks, c)
	}
	return checks
}

// runs tells whether a supervisor holds the lab's lock.
func runs(lab layout.Lab) bool {
	f, err := os.Open(lab.Lock())
	if err != nil {
		return false
	}
	defer f.Close()
	// A shared lock, given back at once: a supervisor that starts in this very
	// moment would at worst say that the lab is in use.
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

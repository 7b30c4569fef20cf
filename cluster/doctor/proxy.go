package doctor

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"workbench/cluster/layout"
	"workbench/cluster/spec"
)

// ProxyMode is kube-proxy's for a lab whose file names none: iptables where the
// machine can do that, else nftables, else userspace, which asks nothing of the
// kernel. Why says what the machine lacks for iptables; "" for nothing.
func ProxyMode(ctx context.Context) (mode spec.ProxyMode, why string, err error) {
	d, err := newDoctor(Options{StateDir: "/"}, thisMachine())
	if err != nil {
		return "", "", err
	}
	mode, why = d.proxyMode(ctx)
	return mode, why, nil
}

func (d *doctor) proxyMode(ctx context.Context) (spec.ProxyMode, string) {
	rules, bridge, tracking := d.checkRules(ctx), d.checkBridgeFilter(), d.checkConntrack()
	var missing []string
	for _, c := range []Check{rules, bridge, tracking} {
		if c.Status != OK {
			missing = append(missing, c.Name+": "+c.Found)
		}
	}
	why := strings.Join(missing, "; ")
	switch {
	case why == "":
		return spec.IPTables, ""
	case tracking.Status == OK && bridge.Status == OK && d.checkTables(ctx, nil).Status == OK:
		return spec.NFTables, why
	}
	return spec.Userspace, why
}

// needs is the status of something that a lab lacks, which some modes of
// kube-proxy need: it keeps a lab from running where it can have no other mode.
func (d *doctor) needs(modes ...spec.ProxyMode) Status {
	if d.options.AnyProxy || !slices.Contains(modes, d.options.Lab.Spec.Network.ProxyMode) {
		return Warn
	}
	return Fail
}

// checkNFT looks for nft where a lab's kube-proxy writes nftables rules: it runs
// nft to do so.
func (d *doctor) checkNFT(ctx context.Context) []Check {
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
	return []Check{d.checkTables(ctx, wanted)}
}

// checkTables tries nft, for labs of names.
func (d *doctor) checkTables(ctx context.Context, labs []string) Check {
	c := Check{Name: "nft", Status: OK, Why: "kube-proxy writes the rules of " + strings.Join(labs, ", ") + " with it (proxyMode nftables)"}
	path, err := d.commands.LookPath("nft")
	if err != nil {
		return d.missing(c, "nftables", "not installed")
	}
	c.Found = path
	if !d.isRoot() {
		return c
	}
	if err := d.prober.Tables(ctx, path); err != nil {
		c = d.module(c, "nf_tables", err.Error())
	}
	return c
}

func (d *doctor) checkBridgeFilter() Check {
	c := Check{Name: "br_netfilter", Status: OK, Found: "loaded", Why: "a Service must be reachable for pods of the node that its endpoint is on"}
	if !d.exists("/proc/sys/net/bridge/bridge-nf-call-iptables") {
		c = d.module(c, "br_netfilter", "not loaded")
		c.Status = d.needs(spec.IPTables, spec.NFTables)
	}
	return c
}

func (d *doctor) checkRules(ctx context.Context) Check {
	c := Check{Name: "iptables", Status: OK, Why: "kube-proxy turns Services into rules with it"}
	if mode := d.options.Lab.Spec.Network.ProxyMode; mode != spec.IPTables {
		c.Why = fmt.Sprintf("host ports of pods and faults of links are rules of it; kube-proxy (%s) needs none", mode)
	}
	path, err := d.commands.LookPath("iptables")
	if err != nil {
		c = d.missing(c, "iptables", "not installed")
		c.Status = d.needs(spec.IPTables)
		return c
	}
	c.Found = path
	if !d.isRoot() {
		c.Found += "; not tried, which needs root"
		return c
	}
	if err := d.prober.Rules(ctx, path); err != nil {
		c = d.module(c, "nf_tables", err.Error())
		lines := [][]string{{"modprobe", "-a", "nf_tables", "nft_compat", "nf_nat", "nf_conntrack", "xt_MASQUERADE", "xt_addrtype", "xt_comment", "xt_conntrack", "xt_mark", "xt_statistic"}}
		c.Status, c.Fix, c.repair = d.needs(spec.IPTables), d.command(lines...), d.runAll(lines...)
		return c
	}
	c.Found += " works"
	return c
}

func (d *doctor) checkConntrack() Check {
	c := Check{Name: "connection tracking", Status: OK, Found: "on", Why: "the answer of a Service must find its way back"}
	if !d.exists("/proc/sys/net/netfilter/nf_conntrack_max") {
		c = d.module(c, "nf_conntrack", "not loaded")
		c.Status = d.needs(spec.IPTables, spec.NFTables)
	}
	return c
}

package doctor

import (
	"errors"
	"strings"
	"testing"

	"workbench/cluster/spec"
)

// TestProxyModeOfAMachine: a lab that names no mode gets the first one of them
// that the machine can do.
func TestProxyModeOfAMachine(t *testing.T) {
	for name, one := range map[string]struct {
		change func(*computer)
		want   spec.ProxyMode
		why    string
	}{
		"good":               {func(*computer) {}, spec.IPTables, ""},
		"no iptables":        {func(c *computer) { c.programs["iptables"], c.programs["nft"] = false, true }, spec.NFTables, "iptables: not installed"},
		"no packet filter":   {func(c *computer) { c.programs["iptables"] = false }, spec.Userspace, "iptables: not installed"},
		"rules are refused":  {func(c *computer) { c.rules = errors.New("no table nat") }, spec.Userspace, "iptables: no table nat"},
		"tables are refused": {func(c *computer) { c.programs["iptables"], c.programs["nft"], c.tables = false, true, errors.New("no") }, spec.Userspace, "iptables: not installed"},
		"no tracking": {func(c *computer) {
			c.programs["nft"] = true
			c.remove("proc/sys/net/netfilter/nf_conntrack_max")
		}, spec.Userspace, "connection tracking: not loaded"},
		"no bridge filter": {func(c *computer) {
			c.programs["nft"] = true
			c.remove("proc/sys/net/bridge/bridge-nf-call-iptables")
		}, spec.Userspace, "br_netfilter: not loaded"},
	} {
		t.Run(name, func(t *testing.T) {
			c := goodComputer(t)
			one.change(c)
			d, err := newDoctor(Options{StateDir: "/"}, machine{root: c.root, commands: c, kernel: c, prober: c})
			if err != nil {
				t.Fatal(err)
			}
			mode, why := d.proxyMode(t.Context())
			if mode != one.want || !strings.Contains(why, one.why) || (why == "") != (one.why == "") {
				t.Errorf("%s, because %q; want %s, because %q", mode, why, one.want, one.why)
			}
		})
	}
}

// TestWhatAModeNeeds: what a lab lacks for the mode that its file names keeps it
// from running; what it lacks for another does not.
func TestWhatAModeNeeds(t *testing.T) {
	c := goodComputer(t)
	c.programs["iptables"] = false
	c.remove("proc/sys/net/bridge/bridge-nf-call-iptables")
	c.remove("proc/sys/net/netfilter/nf_conntrack_max")
	for mode, want := range map[spec.ProxyMode][3]Status{
		spec.IPTables: {Fail, Fail, Fail}, spec.NFTables: {Warn, Fail, Fail}, spec.Userspace: {Warn, Warn, Warn},
	} {
		lab := spec.Default()
		lab.Spec.Network.ProxyMode = mode
		for _, anyMode := range []bool{false, true} {
			checks := c.checkup(Options{Lab: lab, AnyProxy: anyMode})
			for i, name := range []string{"iptables", "br_netfilter", "connection tracking"} {
				want := want[i]
				if anyMode {
					want = Warn
				}
				if got := c.find(checks, name); got.Status != want || got.Fix == "" {
					t.Errorf("%s, any other %t: %s is %s with the remedy %q, want %s", mode, anyMode, name, got.Status, got.Fix, want)
				}
			}
		}
	}
}

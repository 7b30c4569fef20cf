package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// Host is what a lab must not change on the machine.
type Host struct {
	// Links, Routes and Rules of the host's own network namespace, as lines.
	Links, Routes, Rules []string
	// Namespaces are the kernel's names of all in use: "net:[4026531840]".
	Namespaces map[string]bool
}

// Snapshot records the machine.
func Snapshot(t testing.TB) Host {
	t.Helper()
	h := Host{Namespaces: map[string]bool{}}
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatalf("list links: %v", err)
	}
	for _, link := range links {
		a := link.Attrs()
		h.Links = append(h.Links, fmt.Sprintf("%d %s %s %s master %d", a.Index, a.Name, link.Type(), a.HardwareAddr, a.MasterIndex))
		addresses, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			t.Fatalf("list addresses: %v", err)
		}
		for _, address := range addresses {
			h.Links = append(h.Links, fmt.Sprintf("%s %s", a.Name, address.IPNet))
		}
	}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{}, netlink.RT_FILTER_TABLE)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		t.Fatalf("list routes: %v", err)
	}
	for _, r := range routes {
		h.Routes = append(h.Routes, fmt.Sprintf("%v via %v dev %d table %d", r.Dst, r.Gw, r.LinkIndex, r.Table))
	}
	h.Rules = rules()
	slices.Sort(h.Links)
	slices.Sort(h.Routes)
	for _, pid := range pids() {
		for _, ns := range namespacesOf(pid) {
			h.Namespaces[ns] = true
		}
	}
	return h
}

// namespacesOf are the namespaces of a process that a lab makes.
func namespacesOf(pid int) []string {
	var all []string
	for _, kind := range []string{"mnt", "net", "pid", "ipc", "uts", "cgroup"} {
		if name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind)); err == nil {
			all = append(all, name)
		}
	}
	return all
}

// counters of chains change by themselves.
var counters = regexp.MustCompile(`\[\d+:\d+\]|counter packets \d+ bytes \d+`)

// rules is the text of all packet filter rules, by every program that is here.
func rules() []string {
	var lines []string
	for _, command := range [][]string{
		{"iptables-legacy-save"}, {"ip6tables-legacy-save"}, {"iptables-nft-save"}, {"iptables-save"}, {"nft", "list", "ruleset"},
	} {
		out, err := exec.Command(command[0], command[1:]...).Output()
		if err != nil {
			continue // not installed, or the kernel lacks it: nothing to compare
		}
		for line := range strings.Lines(string(out)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				lines = append(lines, command[0]+": "+counters.ReplaceAllString(line, ""))
			}
		}
	}
	return lines
}

// changes are the differences of two lists of lines, as "+ new" and "- gone".
func changes(kind string, before, after []string) []string {
	var out []string
	for _, line := range after {
		if !slices.Contains(before, line) {
			out = append(out, fmt.Sprintf("host %s: + %s", kind, line))
		}
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			out = append(out, fmt.Sprintf("host %s: - %s", kind, line))
		}
	}
	return out
}

package applet

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func linkCommands() []command {
	return []command{{"ip", "[-4|-6|-br] addr|link|route|neigh|rule [show|add|del|set|get ...]: the network configuration", ip}}
}

// network is one invocation of ip.
type network struct {
	call   Call
	family int
	brief  bool
}

func ip(c Call) error {
	n := network{call: c, family: netlink.FAMILY_ALL}
	args := c.Args
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		switch strings.TrimLeft(args[0], "-") {
		case "4":
			n.family = netlink.FAMILY_V4
		case "6":
			n.family = netlink.FAMILY_V6
		case "br", "brief":
			n.brief = true
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return errors.New("want addr, link, route, neigh or rule")
	}
	object, verb, rest := args[0], "show", []string(nil)
	if len(args) > 1 {
		verb, rest = args[1], args[2:]
	}
	full := func(name string) bool { return strings.HasPrefix(name, object) }
	switch {
	case full("address"):
		return n.address(verb, rest)
	case full("link"):
		return n.link(verb, rest)
	case full("route"):
		return n.route(verb, rest)
	case full("neighbour") || full("neighbor"):
		return n.neighbours()
	case full("rule"):
		return n.rules()
	}
	return fmt.Errorf("no object %q: want addr, link, route, neigh or rule", object)
}

func isShow(verb string) bool {
	return strings.HasPrefix("show", verb) || strings.HasPrefix("list", verb) || verb == "ls"
}

// words reads "key value" pairs; words that are no keys are under "".
func words(args []string, keys ...string) map[string]string {
	found := map[string]string{}
	for at := 0; at < len(args); at++ {
		isKey := false
		for _, key := range keys {
			if args[at] == key && at+1 < len(args) {
				at++
				found[key], isKey = args[at], true
				break
			}
		}
		if !isKey && found[""] == "" {
			found[""] = args[at]
		}
	}
	return found
}

func (n network) links(name string) ([]netlink.Link, error) {
	if name == "" {
		return netlink.LinkList()
	}
	link, err := netlink.LinkByName(name)
	return []netlink.Link{link}, err
}

func (n network) address(verb string, args []string) error {
	w := words(args, "dev")
	if isShow(verb) {
		name := w["dev"]
		if name == "" {
			name = w[""]
		}
		return n.show(name, true)
	}
	link, err := netlink.LinkByName(w["dev"])
	if err != nil {
		return fmt.Errorf("dev %q: %w", w["dev"], err)
	}
	address, err := netlink.ParseAddr(w[""])
	if err != nil {
		return err
	}
	switch verb {
	case "add":
		return netlink.AddrAdd(link, address)
	case "del", "delete":
		return netlink.AddrDel(link, address)
	}
	return fmt.Errorf("addr %s: want show, add or del", verb)
}

func (n network) show(name string, addresses bool) error {
	links, err := n.links(name)
	if err != nil {
		return err
	}
	for _, link := range links {
		var found []netlink.Addr
		if addresses {
			if found, err = netlink.AddrList(link, n.family); err != nil {
				return err
			}
		}
		n.printLink(link, found, addresses)
	}
	return nil
}

func (n network) printLink(link netlink.Link, found []netlink.Addr, addresses bool) {
	a := link.Attrs()
	state := strings.ToUpper(a.OperState.String())
	if n.brief {
		fields := []string{fmt.Sprintf("%-16s %-8s", a.Name, state)}
		for _, address := range found {
			fields = append(fields, address.IPNet.String())
		}
		if !addresses {
			fields = append(fields, a.HardwareAddr.String())
		}
		fmt.Fprintln(n.call.Out, strings.Join(fields, " "))
		return
	}
	name := a.Name
	if a.ParentIndex > 0 && link.Type() == "veth" {
		name += fmt.Sprintf("@if%d", a.ParentIndex)
	}
	flags := strings.ToUpper(strings.ReplaceAll(a.Flags.String(), "|", ","))
	fmt.Fprintf(n.call.Out, "%d: %s: <%s> mtu %d state %s qlen %d\n", a.Index, name, flags, a.MTU, state, a.TxQLen)
	kind := link.Type()
	if a.EncapType == "loopback" {
		kind = "loopback"
	}
	fmt.Fprintf(n.call.Out, "    link/%s %s\n", kind, a.HardwareAddr)
	for _, address := range found {
		family := "inet"
		if address.IP.To4() == nil {
			family = "inet6"
		}
		fmt.Fprintf(n.call.Out, "    %s %s scope %s", family, address.IPNet, netlink.Scope(address.Scope))
		if address.Label != "" {
			fmt.Fprintf(n.call.Out, " %s", address.Label)
		}
		fmt.Fprintln(n.call.Out)
	}
}

func (n network) link(verb string, args []string) error {
	w := words(args, "dev", "mtu", "type")
	name := w["dev"]
	if name == "" {
		name = w[""]
	}
	if isShow(verb) {
		return n.show(name, false)
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("link %q: %w", name, err)
	}
	switch {
	case strings.HasPrefix("delete", verb):
		return netlink.LinkDel(link)
	case verb != "set":
		return fmt.Errorf("link %s: want show, set or del", verb)
	case w["mtu"] != "":
		mtu, err := strconv.Atoi(w["mtu"])
		if err != nil {
			return fmt.Errorf("mtu %q is not a number", w["mtu"])
		}
		return netlink.LinkSetMTU(link, mtu)
	case args[len(args)-1] == "up":
		return netlink.LinkSetUp(link)
	case args[len(args)-1] == "down":
		return netlink.LinkSetDown(link)
	}
	return errors.New("link set: want up, down or mtu")
}

// linkName is the name of an interface by number.
func linkName(index int) string {
	if found, err := net.InterfaceByIndex(index); err == nil {
		return found.Name
	}
	return strconv.Itoa(index)
}

func (n network) route(verb string, args []string) error {
	family := n.family
	if family == netlink.FAMILY_ALL {
		family = netlink.FAMILY_V4
	}
	w := words(args, "via", "dev", "src", "table", "metric")
	switch {
	case isShow(verb):
		filter, mask := &netlink.Route{Table: unix.RT_TABLE_MAIN}, uint64(netlink.RT_FILTER_TABLE)
		if w["table"] == "all" {
			mask = 0
		}
		routes, err := netlink.RouteListFiltered(family, filter, mask)
		for _, route := range routes {
			n.printRoute(route)
		}
		return err
	case verb == "get":
		address := net.ParseIP(w[""])
		if address == nil {
			return fmt.Errorf("%q is not an address", w[""])
		}
		routes, err := netlink.RouteGet(address)
		for _, route := range routes {
			n.printRoute(route)
		}
		return err
	}
	route := &netlink.Route{}
	if w[""] != "default" {
		destination, err := netlink.ParseIPNet(w[""])
		if err != nil {
			return err
		}
		route.Dst = destination
	}
	if w["via"] != "" {
		if route.Gw = net.ParseIP(w["via"]); route.Gw == nil {
			return fmt.Errorf("via %q is not an address", w["via"])
		}
	}
	if w["dev"] != "" {
		link, err := netlink.LinkByName(w["dev"])
		if err != nil {
			return fmt.Errorf("dev %q: %w", w["dev"], err)
		}
		route.LinkIndex = link.Attrs().Index
	}
	switch verb {
	case "add":
		return netlink.RouteAdd(route)
	case "replace":
		return netlink.RouteReplace(route)
	case "del", "delete":
		return netlink.RouteDel(route)
	}
	return fmt.Errorf("route %s: want show, get, add, replace or del", verb)
}

// routeTypes names the routes that do not forward.
var routeTypes = map[int]string{
	unix.RTN_LOCAL: "local", unix.RTN_BROADCAST: "broadcast", unix.RTN_BLACKHOLE: "blackhole",
	unix.RTN_UNREACHABLE: "unreachable", unix.RTN_PROHIBIT: "prohibit", unix.RTN_MULTICAST: "multicast",
}

func (n network) printRoute(r netlink.Route) {
	destination := "default"
	if r.Dst != nil {
		if ones, _ := r.Dst.Mask.Size(); ones > 0 {
			destination = strings.TrimSuffix(strings.TrimSuffix(r.Dst.String(), "/32"), "/128")
		}
	}
	line := destination
	if kind, special := routeTypes[r.Type]; special {
		line = kind + " " + line
	}
	if r.Gw != nil {
		line += " via " + r.Gw.String()
	}
	if r.LinkIndex > 0 {
		line += " dev " + linkName(r.LinkIndex)
	}
	if r.Scope == netlink.SCOPE_LINK {
		line += " scope link"
	}
	if r.Src != nil {
		line += " src " + r.Src.String()
	}
	if r.Priority > 0 {
		line += fmt.Sprintf(" metric %d", r.Priority)
	}
	fmt.Fprintln(n.call.Out, line)
}

func (n network) neighbours() error {
	states := map[int]string{
		netlink.NUD_INCOMPLETE: "INCOMPLETE", netlink.NUD_REACHABLE: "REACHABLE", netlink.NUD_STALE: "STALE", netlink.NUD_DELAY: "DELAY",
		netlink.NUD_PROBE: "PROBE", netlink.NUD_FAILED: "FAILED", netlink.NUD_NOARP: "NOARP", netlink.NUD_PERMANENT: "PERMANENT",
	}
	found, err := netlink.NeighList(0, n.family)
	for _, entry := range found {
		if entry.State == netlink.NUD_NOARP {
			continue
		}
		fmt.Fprintf(n.call.Out, "%s dev %s lladdr %s %s\n", entry.IP, linkName(entry.LinkIndex), entry.HardwareAddr, states[entry.State])
	}
	return err
}

func (n network) rules() error {
	found, err := netlink.RuleList(netlink.FAMILY_V4)
	for _, rule := range found {
		from := "all"
		if rule.Src != nil {
			from = rule.Src.String()
		}
		fmt.Fprintf(n.call.Out, "%d:\tfrom %s lookup %d\n", max(rule.Priority, 0), from, rule.Table)
	}
	return err
}

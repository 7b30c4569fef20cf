package logind

import (
	"fmt"
	"slices"

	"github.com/godbus/dbus/v5"
)

// The names on this bus, and what owns them.
const (
	busDriver    = "org.freedesktop.DBus"
	busLogind    = "org.freedesktop.login1"
	busSystemd   = "org.freedesktop.systemd1"
	uniqueLogind = ":1.0"

	pathLogind    = dbus.ObjectPath("/org/freedesktop/login1")
	ifaceManager  = busLogind + ".Manager"
	ifaceSystemd  = busSystemd + ".Manager"
	ifaceProperty = "org.freedesktop.DBus.Properties"
	ifacePeer     = "org.freedesktop.DBus.Peer"

	badArguments = "DBus.Error.InvalidArgs"
)

// owner is the unique name behind a name; "" where nothing has it.
func owner(name string) string {
	switch name {
	case busDriver:
		return busDriver
	case busLogind, busSystemd, uniqueLogind:
		return uniqueLogind
	}
	return ""
}

// sender is who answers a call to a destination.
func sender(destination string) string {
	if name := owner(destination); name != "" {
		return name
	}
	return busDriver
}

// call finds out what a call comes to.
func (c *client) call(m *dbus.Message) result {
	destination, iface, member := header(m, dbus.FieldDestination), header(m, dbus.FieldInterface), header(m, dbus.FieldMember)
	switch {
	case iface == ifacePeer && member == "Ping":
		return values()
	case destination == busDriver || destination == "":
		return c.driver(m, member)
	case owner(destination) == "":
		return failure("DBus.Error.ServiceUnknown", fmt.Sprintf("no %s on this node: its init answers as %s alone", destination, busLogind))
	case iface == ifaceProperty:
		return c.property(m, member)
	case iface == ifaceManager && member == "Inhibit":
		return c.inhibit(m)
	case iface == ifaceManager && member == "ListInhibitors":
		return values(c.server.manager.list())
	case iface == ifaceSystemd && member == "KillUnit":
		return c.killUnit(m)
	}
	return unknown(iface, member)
}

func unknown(iface, member string) result {
	return failure("DBus.Error.UnknownMethod", fmt.Sprintf("a node's init has no %s.%s", iface, member))
}

// driver answers what is asked of the bus itself.
func (c *client) driver(m *dbus.Message, member string) result {
	one, ok := arguments(m, 1)
	switch member {
	case "Hello":
		return values(c.name)
	case "GetId":
		return values(c.server.guid)
	case "ListNames":
		return values([]string{busDriver, busLogind, busSystemd, uniqueLogind, c.name})
	case "AddMatch", "RemoveMatch", "NameHasOwner", "GetNameOwner", "StartServiceByName":
	default:
		return unknown(busDriver, member)
	}
	if member == "StartServiceByName" && len(m.Body) == 2 {
		return values(uint32(2)) // already running
	}
	if !ok {
		return failure(badArguments, member+" takes one string")
	}
	switch name := one[0]; member {
	case "AddMatch":
		c.addRule(name)
	case "RemoveMatch":
		if !c.removeRule(name) {
			return failure("DBus.Error.MatchRuleNotFound", name)
		}
	case "NameHasOwner":
		return values(owner(name) != "" || name == c.name)
	default:
		if name != c.name && owner(name) == "" {
			return failure("DBus.Error.NameHasNoOwner", name)
		}
		if name == c.name {
			return values(name)
		}
		return values(owner(name))
	}
	return values()
}

// property answers for logind's properties (org.freedesktop.login1(5)).
func (c *client) property(m *dbus.Message, member string) result {
	all := c.server.manager.properties()
	switch args, ok := arguments(m, 2); {
	case member == "Get" && ok && args[0] == ifaceManager:
		if v, known := all[args[1]]; known {
			return values(v)
		}
		return failure("DBus.Error.UnknownProperty", args[1])
	case member == "GetAll" && len(m.Body) == 1 && slices.Contains(m.Body, any(ifaceManager)):
		return values(all)
	}
	return failure(badArguments, "properties are those of "+ifaceManager)
}

// inhibit gives a client the right to delay a shutdown.
func (c *client) inhibit(m *dbus.Message) result {
	args, ok := arguments(m, 4)
	if !ok {
		return failure(badArguments, "Inhibit takes what, who, why and mode")
	}
	i := Inhibitor{What: args[0], Who: args[1], Why: args[2], Mode: args[3], UID: c.uid, PID: c.pid}
	if !i.delaysShutdown() {
		return failure("DBus.Error.NotSupported", "a node's init knows only delays of a shutdown: what shutdown, mode delay")
	}
	end, err := c.server.takeInhibitor(i)
	if err != nil {
		return failure("login1.OperationInProgress", err.Error())
	}
	r := values(dbus.UnixFD(end.Fd()))
	r.after = func() { _ = end.Close() }
	return r
}

// killUnit takes the SIGHUP by which logind reads its configuration again.
func (c *client) killUnit(m *dbus.Message) result {
	const hangUp = int32(1)
	if len(m.Body) != 3 || m.Body[0] != "systemd-logind.service" || m.Body[2] != hangUp {
		return failure("systemd1.NoSuchUnit", "a node's init knows one unit and one signal for it: systemd-logind.service, SIGHUP")
	}
	c.server.manager.reload()
	return values()
}

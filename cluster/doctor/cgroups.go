package doctor

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
)

// hierarchy is a mounted cgroup file system.
type hierarchy struct {
	mount       string
	v2          bool
	readOnly    bool
	controllers []string
}

// hierarchies are those a lab would use: all of v1 where any of them has a
// controller, else v2 (as workbench/runtime/cgroup does).
func (d *doctor) hierarchies() []hierarchy {
	mounts, err := d.read("/proc/self/mounts")
	if err != nil {
		return nil
	}
	var v1, v2 []hierarchy
	controlled := false
	for line := range strings.SplitSeq(mounts, "\n") {
		fields := strings.Fields(line) // device, mount, type, options
		if len(fields) < 4 {
			continue
		}
		options := strings.Split(fields[3], ",")
		h := hierarchy{mount: fields[1], readOnly: slices.Contains(options, "ro")}
		switch fields[2] {
		case "cgroup":
			h.controllers = options
			controlled = controlled || !slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, "name=") })
			v1 = append(v1, h)
		case "cgroup2":
			h.v2 = true
			list, _ := d.read(filepath.Join(h.mount, "cgroup.controllers"))
			h.controllers = strings.Fields(list)
			v2 = append(v2, h)
		}
	}
	if controlled {
		return v1
	}
	return v2[:min(1, len(v2))]
}

func (d *doctor) checkControlGroups(context.Context) []Check {
	c := Check{Name: "control groups", Status: OK, Why: "they limit and freeze nodes and pods"}
	found := d.hierarchies()
	if len(found) == 0 {
		c.Status, c.Found = Fail, "none are mounted"
		c.Fix = d.command([]string{"mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"})
		return []Check{c}
	}
	name, want := "v1", []string{"cpu", "cpuset", "memory", "pids", "freezer"}
	if found[0].v2 {
		name, want = "v2", []string{"cpu", "memory", "pids"} // freezing is built in
	}
	var have, readOnly []string
	for _, h := range found {
		have = append(have, h.controllers...)
		if h.readOnly {
			readOnly = append(readOnly, h.mount)
		}
	}
	var missing []string
	for _, w := range want {
		if !slices.Contains(have, w) {
			missing = append(missing, w)
		}
	}
	switch {
	case len(missing) > 0:
		c.Status, c.Found = Fail, name+" without "+strings.Join(missing, ", ")
		c.Fix = "boot the kernel with cgroup_enable=" + strings.Join(missing, ",") + " (memory needs swapaccount=1 too on old ones)"
		if name == "v1" {
			c.Fix = d.command([]string{"mount", "-t", "cgroup", "-o", missing[0], "none", "/sys/fs/cgroup/" + missing[0]}) + "  # and so on for each"
		}
	case len(readOnly) > 0:
		c.Status, c.Found = Fail, name+", but read-only: "+strings.Join(readOnly, ", ")
		c.Fix = d.command([]string{"mount", "-o", "remount,rw", readOnly[0]})
	case d.crowded(found[0], want):
		c = d.makeRoom(c, found[0])
	default:
		c.Found = name + " with " + strings.Join(want, ", ")
		if name == "v2" && !slices.Contains(have, "cpuset") {
			// Kubelet and runc on v2 use the controllers that there are.
			c.Status, c.Found = Warn, c.Found+", without cpuset: pods cannot be bound to processors"
			c.Fix = "use a kernel built with CONFIG_CPUSETS"
		} else if name == "v2" {
			c.Found += ", cpuset"
		}
	}
	return []Check{c}
}

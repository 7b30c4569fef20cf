package doctor

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"workbench/cluster/spec"
)

// memory is a line of /proc/meminfo in bytes, but no more than a container
// limits this process to.
func (m machine) memory(line string) (int64, error) {
	info, err := m.read("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for l := range strings.SplitSeq(info, "\n") {
		rest, ok := strings.CutPrefix(l, line+":")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/meminfo: %s: %w", line, err)
		}
		return min(kib<<10, m.memoryLimit()), nil
	}
	return 0, fmt.Errorf("read /proc/meminfo: no line %s", line)
}

const noLimit = 1<<63 - 1

// memoryLimit is the least limit of the control groups around this process.
func (m machine) memoryLimit() int64 {
	groups, _ := m.read("/proc/self/cgroup")
	limit := int64(noLimit)
	for line := range strings.SplitSeq(groups, "\n") {
		parts := strings.SplitN(line, ":", 3) // number:controllers:path
		if len(parts) != 3 {
			continue
		}
		var base, file string
		switch parts[1] {
		case "":
			base, file = "/sys/fs/cgroup", "memory.max"
		case "memory":
			base, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for group := filepath.Join("/", parts[2]); ; group = filepath.Dir(group) {
			if n, err := m.number(filepath.Join(base, group, file)); err == nil && n > 0 {
				limit = min(limit, n)
			}
			if group == "/" {
				break
			}
		}
	}
	return limit
}

func gib(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }

func (d *doctor) checkMemory(context.Context) []Check {
	lab := d.options.Lab
	need := int64(lab.MemoryNeed())
	planes, workers := lab.Counts()
	c := Check{
		Name: "memory", Status: OK,
		Why: fmt.Sprintf("%d control planes and %d workers need about %s", planes, workers, gib(need)),
	}
	available, err := d.memory("MemAvailable")
	switch {
	case err != nil:
		c.Status, c.Found, c.Fix = Warn, err.Error(), "free -m"
		return []Check{c, d.checkSwap()}
	case available < int64(spec.ControlPlaneMemory+spec.WorkerMemory):
		c.Status, c.Fix = Fail, "end other programs: even one control plane and one worker do not fit"
	case available < need:
		c.Status, c.Fix = Warn, "use fewer nodes, such as spec.controlPlanes.count 1, or end other programs"
	}
	c.Found = gib(available) + " available"
	return []Check{c, d.checkSwap()}
}

func (d *doctor) checkSwap() Check {
	c := Check{Name: "swap", Status: OK, Found: "off", Why: "with swap, a pod over its memory gets slow instead of being killed"}
	swaps, err := d.read("/proc/swaps")
	if lines := strings.Split(swaps, "\n"); err == nil && len(lines) > 1 {
		var devices []string
		for _, l := range lines[1:] {
			if fields := strings.Fields(l); len(fields) > 0 {
				devices = append(devices, fields[0])
			}
		}
		c.Status, c.Found = Warn, "on: "+strings.Join(devices, ", ")
		c.Fix = d.command([]string{"swapoff", "-a"}) + "  # for the whole machine, until the next boot"
	}
	return c
}

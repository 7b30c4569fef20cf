package node

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/runtime/mount"
)

// meter reads what the node's pods use from the control groups that the kubelet
// makes for them, and what went through its and their interfaces.
type meter struct {
	proc string
	// cpu and memory are where the controllers' hierarchies are mounted; in
	// cgroup v2 the same place.
	cpu, memory string
	v2          bool
}

func newMeter(proc string, groups []mount.Cgroup) meter {
	m := meter{proc: proc}
	for _, g := range groups {
		options := strings.Split(g.Options, ",")
		switch {
		case g.V2:
			if m.memory == "" {
				m.cpu, m.memory, m.v2 = g.Target, g.Target, true
			}
		case slices.Contains(options, "cpuacct"):
			m.cpu = g.Target
		case slices.Contains(options, "memory"):
			m.memory = g.Target
		}
	}
	return m
}

// podParents are the kubelet's groups of pods by their quality of service, with
// the cgroupfs driver (pkg/kubelet/cm/qos_container_manager_linux.go).
var podParents = []string{"kubepods", "kubepods/besteffort", "kubepods/burstable"}

// pods are what the node's pods use, by UID; nil where there are none.
func (m meter) pods() map[string]event.PodUsage {
	if m.cpu == "" || m.memory == "" {
		return nil
	}
	own, _ := os.Readlink(m.proc + "/self/ns/net")
	var out map[string]event.PodUsage
	for _, parent := range podParents {
		entries, err := os.ReadDir(filepath.Join(m.memory, parent))
		if err != nil {
			continue
		}
		for _, e := range entries {
			uid, ok := strings.CutPrefix(e.Name(), "pod")
			if !ok || !e.IsDir() {
				continue
			}
			group := filepath.Join(parent, e.Name())
			use, err := m.usage(group)
			if err != nil {
				continue // it has ended meanwhile
			}
			if out == nil {
				out = map[string]event.PodUsage{}
			}
			out[uid] = event.PodUsage{Usage: use, Network: m.podNetwork(group, own)}
		}
	}
	return out
}

func (m meter) usage(group string) (event.Usage, error) {
	if m.v2 {
		micros, err := keyed(filepath.Join(m.cpu, group, "cpu.stat"), "usage_usec")
		used, inUse := number(filepath.Join(m.memory, group, "memory.current"))
		inactive, inStat := keyed(filepath.Join(m.memory, group, "memory.stat"), "inactive_file")
		return event.Usage{CPU: time.Duration(micros) * time.Microsecond, MemoryBytes: max(0, used-inactive)}, errors.Join(err, inUse, inStat)
	}
	nanos, err := number(filepath.Join(m.cpu, group, "cpuacct.usage"))
	used, inUse := number(filepath.Join(m.memory, group, "memory.usage_in_bytes"))
	inactive, inStat := keyed(filepath.Join(m.memory, group, "memory.stat"), "total_inactive_file")
	return event.Usage{CPU: time.Duration(nanos), MemoryBytes: max(0, used-inactive)}, errors.Join(err, inUse, inStat)
}

// podNetwork reads the interface of a pod through any of its processes; nil for
// one whose network namespace is the node's own, or that has no process yet.
func (m meter) podNetwork(group, own string) *event.Traffic {
	containers, err := os.ReadDir(filepath.Join(m.memory, group))
	if err != nil {
		return nil
	}
	for _, c := range containers {
		if !c.IsDir() {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(m.memory, group, c.Name(), "cgroup.procs"))
		if err != nil {
			continue
		}
		pid, _, _ := strings.Cut(string(raw), "\n")
		if pid == "" || pid == "0" {
			continue
		}
		if ns, err := os.Readlink(filepath.Join(m.proc, pid, "ns/net")); err != nil || ns == own {
			return nil
		}
		return readTraffic(filepath.Join(m.proc, pid, "net/dev"))
	}
	return nil
}

// network is the node's own link.
func (m meter) network() *event.Traffic { return readTraffic(m.proc + "/self/net/dev") }

// readTraffic reads eth0 from proc(5)'s net/dev: received bytes are its first
// number, sent bytes its ninth.
func readTraffic(file string) *event.Traffic {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(raw)) {
		name, numbers, ok := strings.Cut(line, ":")
		fields := strings.Fields(numbers)
		if !ok || strings.TrimSpace(name) != "eth0" || len(fields) < 9 {
			continue
		}
		received, err := strconv.ParseInt(fields[0], 10, 64)
		sent, err2 := strconv.ParseInt(fields[8], 10, 64)
		if errors.Join(err, err2) != nil {
			return nil
		}
		return &event.Traffic{Received: received, Sent: sent}
	}
	return nil
}

func number(file string) (int64, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
}

// keyed is the number after a key, in a file with one pair a line.
func keyed(file, key string) (int64, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if name, value, _ := strings.Cut(line, " "); name == key {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, errors.New(file + " has no " + key)
}

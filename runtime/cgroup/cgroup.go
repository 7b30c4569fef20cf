// Package cgroup keeps one control group per node of a lab, on cgroup v1 and
// v2, so that a node's limits hold for everything in it and its processes can
// be listed from outside.
//
// The groups are <root>/workbench/<lab>/<node>, in every v1 hierarchy or in
// the one v2 hierarchy. A node sees its own group as the root of its cgroup
// namespace.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Parent is the group that holds those of all labs.
const Parent = "workbench"

// Hierarchy is one mounted cgroup file system.
type Hierarchy struct {
	Mount string
	// Options to mount it again: controllers on v1 ("cpu,cpuacct",
	// "name=systemd"), empty on v2.
	Options string
	V2      bool
}

// Hierarchies are the cgroup file systems of this machine: all of v1 where
// there are any with controllers, else v2.
func Hierarchies() ([]Hierarchy, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find cgroup mounts: %w", err)
	}
	defer f.Close()
	var v1, v2 []Hierarchy
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		h, ok := parseMount(lines.Text())
		switch {
		case !ok:
		case h.V2:
			v2 = append(v2, h)
		default:
			v1 = append(v1, h)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("find cgroup mounts: %w", err)
	}
	withControllers := slices.ContainsFunc(v1, func(h Hierarchy) bool { return !strings.HasPrefix(h.Options, "name=") })
	switch {
	case withControllers:
		return v1, nil
	case len(v2) > 0:
		return v2[:1], nil
	}
	return nil, errors.New("find cgroup mounts: no cgroup file system is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup")
}

// parseMount reads a line of mountinfo (proc(5)): fields, " - ", type, source,
// super options.
func parseMount(line string) (Hierarchy, bool) {
	head, tail, ok := strings.Cut(line, " - ")
	fields, rest := strings.Fields(head), strings.Fields(tail)
	if !ok || len(fields) < 5 || len(rest) < 3 {
		return Hierarchy{}, false
	}
	switch rest[0] {
	case "cgroup2":
		return Hierarchy{Mount: fields[4], V2: true}, true
	case "cgroup":
		var opts []string
		for o := range strings.SplitSeq(rest[2], ",") {
			if o != "rw" && o != "ro" && o != "xattr" && !strings.HasPrefix(o, "release_agent=") && o != "clone_children" {
				opts = append(opts, o)
			}
		}
		return Hierarchy{Mount: fields[4], Options: strings.Join(opts, ",")}, true
	}
	return Hierarchy{}, false
}

// Limits of a group; zero fields do not limit.
type Limits struct {
	CPUs        float64 // cores
	MemoryBytes int64
}

// Group is the control group of one node.
type Group struct {
	path        string // below each hierarchy's mount
	hierarchies []Hierarchy
}

// Create makes the group Parent/lab/node with its limits. An existing one is
// taken over.
func Create(lab, node string, limits Limits) (*Group, error) {
	hierarchies, err := Hierarchies()
	if err != nil {
		return nil, err
	}
	g := &Group{path: filepath.Join(Parent, lab, node), hierarchies: hierarchies}
	for _, h := range hierarchies {
		if err := h.prepare(g.path); err != nil {
			return nil, fmt.Errorf("create cgroup %s in %s: %w", g.path, h.Mount, err)
		}
	}
	if err := g.limit(limits); err != nil {
		return nil, fmt.Errorf("limit cgroup %s: %w", g.path, err)
	}
	return g, nil
}

func (h Hierarchy) prepare(path string) error {
	dir := h.Mount
	for part := range strings.SplitSeq(path, "/") {
		if h.V2 {
			delegate(dir)
		}
		dir = filepath.Join(dir, part)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if strings.Contains(h.Options, "cpuset") {
			if err := inheritCpuset(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// delegate enables every controller a v2 group has for its children. Some may
// be refused one by one (such as cpu under a realtime process).
func delegate(dir string) {
	raw, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return
	}
	for c := range strings.FieldsSeq(string(raw)) {
		_ = write(filepath.Join(dir, "cgroup.subtree_control"), "+"+c)
	}
}

// inheritCpuset fills a new v1 cpuset group, which takes no process while empty.
func inheritCpuset(dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		own, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(own)) != "" {
			continue
		}
		parent, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
		if err != nil {
			return err
		}
		if err := write(filepath.Join(dir, file), strings.TrimSpace(string(parent))); err != nil {
			return err
		}
	}
	return nil
}

// cfsPeriod is the kernel's default scheduling period for CPU quotas, in µs.
const cfsPeriod = 100_000

func (g *Group) limit(l Limits) error {
	for _, h := range g.hierarchies {
		dir := filepath.Join(h.Mount, g.path)
		quota, memory := "-1", "-1"
		if h.V2 {
			quota, memory = fmt.Sprintf("max %d", cfsPeriod), "max"
		}
		if l.CPUs > 0 {
			quota = strconv.Itoa(int(l.CPUs * cfsPeriod))
			if h.V2 {
				quota += " " + strconv.Itoa(cfsPeriod)
			}
		}
		if l.MemoryBytes > 0 {
			memory = strconv.FormatInt(l.MemoryBytes, 10)
		}
		files := map[string]string{}
		switch controllers := strings.Split(h.Options, ","); {
		case h.V2:
			files["cpu.max"], files["memory.max"] = quota, memory
		case slices.Contains(controllers, "cpu"):
			files["cpu.cfs_quota_us"] = quota
		case slices.Contains(controllers, "memory"):
			files["memory.limit_in_bytes"] = memory
		}
		for file, value := range files {
			err := write(filepath.Join(dir, file), value)
			if unlimited := value == "-1" || strings.HasPrefix(value, "max"); err != nil && !unlimited {
				return err
			}
		}
	}
	return nil
}

// Add moves a process, by its PID in this PID namespace, into the group.
func (g *Group) Add(pid int) error {
	for _, h := range g.hierarchies {
		if err := write(filepath.Join(h.Mount, g.path, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("move process %d to cgroup %s in %s: %w", pid, g.path, h.Mount, err)
		}
	}
	return nil
}

// Processes are the PIDs of all processes in the group and below, as this PID
// namespace numbers them.
func (g *Group) Processes() ([]int, error) {
	h := g.hierarchies[0]
	for _, other := range g.hierarchies {
		if strings.Contains(other.Options, "pids") {
			h = other
		}
	}
	return processes(filepath.Join(h.Mount, g.path))
}

func processes(dir string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			return err
		}
		raw, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil {
			if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.EOPNOTSUPP) {
				return nil
			}
			return err
		}
		for s := range strings.FieldsSeq(string(raw)) {
			if pid, err := strconv.Atoi(s); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids, err
}

// sweeps bounds how often Signal looks for processes forked meanwhile.
const sweeps = 20

// Signal sends a signal to every process of the group, first first, until no
// new one appears. SIGSTOP is used in place of the v1 freezer because frozen
// v1 tasks cannot be killed, which would defeat the kernel's clean-up.
func (g *Group) Signal(first int, sig syscall.Signal) error {
	seen := map[int]bool{}
	if first > 0 {
		seen[first] = true
		if err := syscall.Kill(first, sig); err != nil {
			return fmt.Errorf("signal process %d: %w", first, err)
		}
	}
	for range sweeps {
		pids, err := g.Processes()
		if err != nil {
			return fmt.Errorf("list processes of cgroup %s: %w", g.path, err)
		}
		fresh := false
		for _, pid := range pids {
			if seen[pid] {
				continue
			}
			seen[pid], fresh = true, true
			if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("signal process %d: %w", pid, err)
			}
		}
		if !fresh {
			return nil
		}
	}
	return fmt.Errorf("signal cgroup %s: processes keep appearing", g.path)
}

// Remove deletes the group and those below it. The kernel may need a moment
// after the last process died, so it tries for up to a second.
func (g *Group) Remove() error { return removeIn(g.hierarchies, g.path) }

// RemoveLab deletes the groups of a whole lab, which must have no process.
func RemoveLab(lab string) error {
	hierarchies, err := Hierarchies()
	if err != nil {
		return err
	}
	err = removeIn(hierarchies, filepath.Join(Parent, lab))
	for _, h := range hierarchies {
		_ = os.Remove(filepath.Join(h.Mount, Parent)) // stays while other labs are there
	}
	return err
}

func removeIn(hierarchies []Hierarchy, path string) error {
	deadline := time.Now().Add(time.Second)
	for {
		var errs []error
		for _, h := range hierarchies {
			errs = append(errs, removeTree(filepath.Join(h.Mount, path)))
		}
		err := errors.Join(errs...)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond) // the kernel gives no event for this
	}
}

func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	return nil
}

func write(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

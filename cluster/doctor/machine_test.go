package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"workbench/cluster/spec"
)

// computer is a made-up machine. It is a good one until a test changes it.
type computer struct {
	t         *testing.T
	root      string
	uid       int
	release   string
	openFiles uint64
	disk      fileSystem
	taken     map[int]bool
	programs  map[string]bool
	ran       []string
	onRun     func(line string) error
	overlay   error
	links     error
	rules     error
	tables    error
}

func goodComputer(t *testing.T) *computer {
	c := &computer{
		t: t, root: t.TempDir(), release: "6.1.0-18-amd64", openFiles: 1 << 20,
		disk:     fileSystem{magic: 0xef53, free: 100 << 30},
		taken:    map[int]bool{},
		programs: map[string]bool{"runc": true, "iptables": true, "modprobe": true, "apt-get": true},
	}
	for path, content := range map[string]string{
		"proc/self/status":    "Name:\tx\nCapEff:\t000001ffffffffff\n",
		"proc/self/mounts":    "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n",
		"proc/self/cgroup":    "0::/user.slice/shell\n",
		"proc/self/ns/pid":    "",
		"proc/self/ns/mnt":    "",
		"proc/self/ns/uts":    "",
		"proc/self/ns/net":    "",
		"proc/self/ns/ipc":    "",
		"proc/self/ns/cgroup": "",
		"proc/filesystems":    "nodev\tsysfs\n\text4\nnodev\toverlay\n",
		"proc/swaps":          "Filename\tType\tSize\tUsed\tPriority\n",
		"proc/meminfo":        "MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:   8388608 kB\n",
		"proc/sys/net/bridge/bridge-nf-call-iptables":  "1\n",
		"proc/sys/net/netfilter/nf_conntrack_max":      "262144\n",
		"proc/sys/fs/inotify/max_user_instances":       "8192\n",
		"proc/sys/fs/inotify/max_user_watches":         "524288\n",
		"proc/sys/fs/file-max":                         "9223372036854775807\n",
		"proc/sys/kernel/pid_max":                      "4194304\n",
		"proc/sys/kernel/threads-max":                  "126000\n",
		"sys/fs/cgroup/cgroup.controllers":             "cpuset cpu io memory hugetlb pids rdma misc\n",
		"sys/fs/cgroup/user.slice/memory.max":          "max\n",
		"sys/fs/cgroup/user.slice/shell/memory.max":    "max\n",
		"root/.local/state/not-a-lab":                  "",
		"sys/fs/cgroup/user.slice/shell/cgroup.procs":  "1\n",
		"sys/fs/cgroup/system.slice/cron/cgroup.procs": "2\n",
	} {
		c.write(path, content)
	}
	return c
}

func (c *computer) write(path, content string) {
	c.t.Helper()
	path = filepath.Join(c.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *computer) remove(path string) {
	c.t.Helper()
	if err := os.Remove(filepath.Join(c.root, path)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *computer) UID() int                              { return c.uid }
func (c *computer) Release() (string, error)              { return c.release, nil }
func (c *computer) OpenFiles() (uint64, error)            { return c.openFiles, nil }
func (c *computer) FileSystem(string) (fileSystem, error) { return c.disk, nil }
func (c *computer) PortFree(port int) bool                { return !c.taken[port] }
func (c *computer) Links(context.Context) error           { return c.links }
func (c *computer) Rules(context.Context, string) error   { return c.rules }
func (c *computer) Tables(context.Context, string) error  { return c.tables }
func (c *computer) Overlay(string) error                  { return c.overlay }
func (c *computer) Run(_ context.Context, out io.Writer, name string, args ...string) error {
	line := strings.Join(append([]string{name}, args...), " ")
	c.ran = append(c.ran, line)
	fmt.Fprintln(out, "running", line)
	if c.onRun != nil {
		return c.onRun(line)
	}
	return nil
}

func (c *computer) LookPath(name string) (string, error) {
	if !c.programs[name] {
		return "", exec.ErrNotFound
	}
	return "/usr/sbin/" + name, nil
}

func (c *computer) checkup(options Options) []Check {
	c.t.Helper()
	if options.StateDir == "" {
		options.StateDir = "/root/.local/state/workbench"
	}
	d, err := newDoctor(options, machine{root: c.root, commands: c, kernel: c, prober: c})
	if err != nil {
		c.t.Fatal(err)
	}
	return d.run(c.t.Context())
}

// find gives the check of the name, with its paths as on a real machine.
func (c *computer) find(checks []Check, name string) Check {
	c.t.Helper()
	for _, check := range checks {
		if check.Name == name {
			check.Found = strings.ReplaceAll(check.Found, c.root, "")
			check.Fix = strings.ReplaceAll(check.Fix, c.root, "")
			return check
		}
	}
	c.t.Fatalf("no check %q", name)
	return Check{}
}

func (c *computer) print(checks []Check) string {
	c.t.Helper()
	var b bytes.Buffer
	if err := Print(&b, checks, false); err != nil {
		c.t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), c.root, "")
}

func smallLab() spec.Lab {
	lab := spec.Default()
	lab.Spec.ControlPlanes.Count, lab.Spec.Workers.Count = 1, 1
	return lab
}

package doctor

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// inotify instances that a node uses at most, counted in the sources of
// Kubernetes 1.37 and containerd 2.4: each served certificate, each CA file,
// static pods, plugins, cAdvisor and the CNI configuration have one.
const (
	inotifyPerControlPlane = 20
	inotifyPerWorker       = 10
)

// sysctl is a kernel setting that a lab needs to be large enough.
type sysctl struct {
	name        string // as sysctl(8) writes it
	check       string
	why         string
	need, wants int64 // below need a lab fails, below wants it may
	set         int64 // the value that Fix sets
}

func (s sysctl) path() string { return "/proc/sys/" + strings.ReplaceAll(s.name, ".", "/") }

func (d *doctor) sysctls() []sysctl {
	p, w := d.options.Lab.Counts()
	planes, workers := int64(p), int64(w)
	nodes := planes + workers
	instances := planes*inotifyPerControlPlane + workers*inotifyPerWorker
	return []sysctl{
		{
			name: "fs.inotify.max_user_instances", check: "inotify instances",
			why: fmt.Sprintf("a control plane uses up to %d, a worker up to %d, and pods theirs: %d for %d nodes",
				inotifyPerControlPlane, inotifyPerWorker, instances, nodes),
			need: instances, wants: max(512, 2*instances), set: 8192,
		},
		{
			name: "fs.inotify.max_user_watches", check: "inotify watches",
			why:  "the kubelets watch the control groups and files of every pod",
			need: 1024 * nodes, wants: 65536, set: 524288,
		},
		{
			name: "fs.file-max", check: "open files of the machine",
			why:  "every connection between components is one, and databases have many",
			need: 2048 * nodes, wants: 100_000, set: 1_000_000,
		},
		{
			name: "kernel.pid_max", check: "process numbers",
			why:  "every thread of every node has one; a node has about 200",
			need: 400 * nodes, wants: 32768, set: 4_194_304,
		},
		{
			name: "kernel.threads-max", check: "threads",
			why:  "a node has about 200",
			need: 400 * nodes, wants: 16384, set: 126_000,
		},
	}
}

func (d *doctor) checkLimits(context.Context) []Check {
	var checks []Check
	for _, s := range d.sysctls() {
		checks = append(checks, d.checkSysctl(s))
	}
	return append(checks, d.checkOpenFiles())
}

func (d *doctor) checkSysctl(s sysctl) Check {
	c := Check{Name: s.check, Status: OK, Why: s.why}
	value, err := d.number(s.path())
	if err != nil {
		c.Status, c.Found, c.Fix = Warn, fmt.Sprintf("%s is not readable: %v", s.name, err), "sysctl "+s.name
		return c
	}
	c.Found = fmt.Sprintf("%s = %d", s.name, value)
	if value >= s.wants {
		return c
	}
	c.Status = Warn
	if value < s.need {
		c.Status = Fail
	}
	c.Found += fmt.Sprintf(", want %d", s.wants)
	c.Fix = d.command([]string{"sysctl", "-w", fmt.Sprintf("%s=%d", s.name, s.set)}) + "  # until the next boot; a file in /etc/sysctl.d keeps it"
	if d.isRoot() {
		c.repair = func(context.Context, io.Writer) error {
			return os.WriteFile(filepath.Join(d.root, s.path()), []byte(strconv.FormatInt(s.set, 10)), 0)
		}
	}
	return c
}

func (d *doctor) checkOpenFiles() Check {
	const need, wants = 1024, 8192
	c := Check{Name: "open files of a process", Status: OK, Why: "etcd and the API server hold a connection to each client"}
	limit, err := d.kernel.OpenFiles()
	if err != nil {
		c.Status, c.Found, c.Fix = Warn, err.Error(), "ulimit -Hn"
		return c
	}
	c.Found = fmt.Sprintf("up to %d", limit)
	if limit >= wants {
		return c
	}
	c.Status = Warn
	if limit < need {
		c.Status = Fail
	}
	c.Fix = fmt.Sprintf("ulimit -Hn %d in the shell that starts the lab, or nofile in /etc/security/limits.conf", 1<<20)
	return c
}

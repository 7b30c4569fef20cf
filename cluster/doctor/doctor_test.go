package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"workbench/cluster/spec"
)

func TestGoodMachine(t *testing.T) {
	c := goodComputer(t)
	checks := c.checkup(Options{})
	if got := c.print(checks); got != goodTable {
		t.Errorf("got\n%s", got)
	}
	if Worst(checks) != OK {
		t.Errorf("worst is %s", Worst(checks))
	}
	if len(c.ran) > 0 {
		t.Errorf("checks ran %q", c.ran)
	}
}

const goodTable = `✓ privileges                 root
✓ kernel                     Linux 6.1.0-18-amd64
✓ namespaces                 pid, mnt, uts, net, ipc, cgroup
✓ overlayfs                  works in /root/.local/state
✓ bridge and veth            work
✓ br_netfilter               loaded
✓ iptables                   /usr/sbin/iptables works
✓ connection tracking        on
✓ control groups             v2 with cpu, memory, pids, cpuset
✓ OCI runtime                /usr/sbin/runc
✓ inotify instances          fs.inotify.max_user_instances = 8192
✓ inotify watches            fs.inotify.max_user_watches = 524288
✓ open files of the machine  fs.file-max = 9223372036854775807
✓ process numbers            kernel.pid_max = 4194304
✓ threads                    kernel.threads-max = 126000
✓ open files of a process    up to 1048576
✓ memory                     8.0 GiB available
✓ swap                       off
✓ disk space                 100.0 GiB free in /root/.local/state
✓ file system                /root/.local/state is on ext2/3/4
✓ leftovers                  none

21 ok, 0 to look at, 0 that keep a lab from running
`

// findings are machines with one thing wrong, and what the check of the name
// says about it.
var findings = []struct {
	name    string
	change  func(*computer)
	check   string
	status  Status
	found   string
	fix     string
	fixable bool
}{
	{"not root", func(c *computer) { c.uid = 1000 }, "privileges", Fail, "user 1000", "sudo workbench up", false},
	{"container", func(c *computer) { c.write("proc/self/status", "CapEff:\t00000000a80425fb\n") }, "privileges", Fail, "root without CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE", "start the container or service that this is with all capabilities, such as docker run --privileged", false},
	{"no CAP_SYS_RESOURCE", func(c *computer) { c.write("proc/self/status", "CapEff:\t000001fffeffffff\n") }, "privileges", OK, "root without CAP_SYS_RESOURCE: out-of-memory scores of pods cannot be lowered, all else works", "", false},
	{"no /proc", func(c *computer) { c.remove("proc/self/status") }, "privileges", Warn, "root with unknown capabilities: open /proc/self/status: no such file or directory", "mount -t proc proc /proc", false},
	{"old kernel", func(c *computer) { c.release = "4.15.0-20-generic" }, "kernel", Fail, "Linux 4.15.0-20-generic", "upgrade the distribution or its kernel", false},
	{"kernel without nftables", func(c *computer) { c.release = "5.4-rc1" }, "kernel", Warn, "Linux 5.4-rc1", "use proxyMode iptables, or upgrade the kernel", false},
	{"strange kernel", func(c *computer) { c.release = "six" }, "kernel", Warn, `release "six" is not understood`, "uname -r", false},
	{"no cgroup namespace", func(c *computer) { c.remove("proc/self/ns/cgroup") }, "namespaces", Fail, "no cgroup namespaces", "use a kernel built with CONFIG_NAMESPACES and all kinds below it", false},
	{"overlay not loaded", func(c *computer) { c.write("proc/filesystems", "\text4\n") }, "overlayfs", Fail, "not known to the kernel", "modprobe overlay", true},
	{"overlay on overlay", func(c *computer) { c.overlay = errors.New("mount overlay: invalid argument") }, "overlayfs", Fail, "cannot be used in /root/.local/state: mount overlay: invalid argument", "choose a directory on ext4, xfs or btrfs with --state-dir", false},
	{"no veth", func(c *computer) { c.links = errors.New("add veth pair: operation not supported") }, "bridge and veth", Fail, "add veth pair: operation not supported", "modprobe veth", true},
	{"no bridge filter", func(c *computer) { c.remove("proc/sys/net/bridge/bridge-nf-call-iptables") }, "br_netfilter", Warn, "not loaded", "modprobe br_netfilter", true},
	{"no bridge filter, no kmod", func(c *computer) {
		c.remove("proc/sys/net/bridge/bridge-nf-call-iptables")
		c.programs["modprobe"] = false
	}, "br_netfilter", Warn, "not loaded", "apt-get update && env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends kmod && modprobe br_netfilter", true},
	{"no conntrack", func(c *computer) { c.remove("proc/sys/net/netfilter/nf_conntrack_max") }, "connection tracking", Warn, "not loaded", "modprobe nf_conntrack", true},
	{"rules refused", func(c *computer) { c.rules = errors.New("iptables -t nat -N PROBE: exit status 3: no table nat") }, "iptables", Warn, "iptables -t nat -N PROBE: exit status 3: no table nat", "modprobe -a nf_tables nft_compat nf_nat nf_conntrack xt_MASQUERADE xt_addrtype xt_comment xt_conntrack xt_mark xt_statistic", true},
	{"no iptables, dnf", func(c *computer) { c.programs = map[string]bool{"dnf": true, "runc": true} }, "iptables", Warn, "not installed", "dnf install -y iptables-nft", true},
	{"no runtime, apk", func(c *computer) { c.programs = map[string]bool{"apk": true} }, "OCI runtime", Fail, "neither runc nor crun is installed", "apk add runc", true},
	{"no runtime, pacman", func(c *computer) { c.programs = map[string]bool{"pacman": true} }, "OCI runtime", Fail, "neither runc nor crun is installed", "pacman -Sy --noconfirm --needed runc", true},
	{"no runtime, zypper", func(c *computer) { c.programs = map[string]bool{"zypper": true} }, "OCI runtime", Fail, "neither runc nor crun is installed", "zypper --non-interactive install runc", true},
	{"no runtime, unknown system", func(c *computer) { c.programs = nil }, "OCI runtime", Fail, "neither runc nor crun is installed", "install runc with the package manager of this system", false},
	{"crun only", func(c *computer) { c.programs["runc"], c.programs["crun"] = false, true }, "OCI runtime", OK, "/usr/sbin/crun", "", false},
	{"no cgroups", func(c *computer) { c.write("proc/self/mounts", "proc /proc proc rw 0 0\n") }, "control groups", Fail, "none are mounted", "mount -t cgroup2 none /sys/fs/cgroup", false},
	{"v2 without memory", func(c *computer) { c.write("sys/fs/cgroup/cgroup.controllers", "cpu cpuset pids\n") }, "control groups", Fail, "v2 without memory", "boot the kernel with cgroup_enable=memory (memory needs swapaccount=1 too on old ones)", false},
	{"v2 without cpuset", func(c *computer) { c.write("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n") }, "control groups", Warn, "v2 with cpu, memory, pids, without cpuset: pods cannot be bound to processors", "use a kernel built with CONFIG_CPUSETS", false},
	{"v2 read-only", func(c *computer) { c.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 ro 0 0\n") }, "control groups", Fail, "v2, but read-only: /sys/fs/cgroup", "mount -o remount,rw /sys/fs/cgroup", false},
	{"container on v2", func(c *computer) {
		c.write("sys/fs/cgroup/cgroup.type", "domain\n")
		c.write("sys/fs/cgroup/cgroup.procs", "1\n7\n")
		c.write("sys/fs/cgroup/cgroup.subtree_control", "pids\n")
	}, "control groups", Fail, "v2, but processes in /sys/fs/cgroup itself, this container's group, keep it from passing controllers on",
		"mkdir -p /sys/fs/cgroup/init && xargs -rn1 < /sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/init/cgroup.procs", true},
	{"container on v2 with systemd", func(c *computer) {
		c.write("sys/fs/cgroup/cgroup.type", "domain\n")
		c.write("sys/fs/cgroup/cgroup.procs", "")
	}, "control groups", OK, "v2 with cpu, memory, pids, cpuset", "", false},
	{"container on v2 that passes all on", func(c *computer) {
		c.write("sys/fs/cgroup/cgroup.type", "domain threaded\n")
		c.write("sys/fs/cgroup/cgroup.procs", "1\n")
		c.write("sys/fs/cgroup/cgroup.subtree_control", "cpuset cpu memory pids\n")
	}, "control groups", OK, "v2 with cpu, memory, pids, cpuset", "", false},
	{"hybrid", func(c *computer) {
		c.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"+v1Mounts("cpu,cpuacct", "cpuset", "memory", "pids", "freezer", "name=systemd"))
	}, "control groups", OK, "v1 with cpu, cpuset, memory, pids, freezer", "", false},
	{"v1 without pids", func(c *computer) { c.write("proc/self/mounts", v1Mounts("cpu", "cpuset", "memory", "freezer")) }, "control groups", Fail, "v1 without pids", "mount -t cgroup -o pids none /sys/fs/cgroup/pids  # and so on for each", false},
	{"few inotify instances", func(c *computer) { c.write("proc/sys/fs/inotify/max_user_instances", "128\n") }, "inotify instances", Warn, "fs.inotify.max_user_instances = 128, want 512", "sysctl -w fs.inotify.max_user_instances=8192  # until the next boot; a file in /etc/sysctl.d keeps it", true},
	{"too few inotify instances", func(c *computer) { c.write("proc/sys/fs/inotify/max_user_instances", "64\n") }, "inotify instances", Fail, "fs.inotify.max_user_instances = 64, want 512", "sysctl -w fs.inotify.max_user_instances=8192  # until the next boot; a file in /etc/sysctl.d keeps it", true},
	{"no such setting", func(c *computer) { c.remove("proc/sys/kernel/pid_max") }, "process numbers", Warn, "kernel.pid_max is not readable: open /proc/sys/kernel/pid_max: no such file or directory", "sysctl kernel.pid_max", false},
	{"few open files", func(c *computer) { c.openFiles = 4096 }, "open files of a process", Warn, "up to 4096", "ulimit -Hn 1048576 in the shell that starts the lab, or nofile in /etc/security/limits.conf", false},
	{"too few open files", func(c *computer) { c.openFiles = 256 }, "open files of a process", Fail, "up to 256", "ulimit -Hn 1048576 in the shell that starts the lab, or nofile in /etc/security/limits.conf", false},
	{"little memory", func(c *computer) { c.write("proc/meminfo", "MemAvailable: 2097152 kB\n") }, "memory", Warn, "2.0 GiB available", "use fewer nodes, such as spec.controlPlanes.count 1, or end other programs", false},
	{"too little memory", func(c *computer) { c.write("proc/meminfo", "MemAvailable: 524288 kB\n") }, "memory", Fail, "0.5 GiB available", "end other programs: even one control plane and one worker do not fit", false},
	{"container's memory", func(c *computer) { c.write("sys/fs/cgroup/user.slice/memory.max", "2147483648\n") }, "memory", Warn, "2.0 GiB available", "use fewer nodes, such as spec.controlPlanes.count 1, or end other programs", false},
	{"container's memory, v1", func(c *computer) {
		c.write("proc/self/cgroup", "4:memory:/box\n1:cpu:/\n")
		c.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
		c.write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "2147483648\n")
	}, "memory", Warn, "2.0 GiB available", "use fewer nodes, such as spec.controlPlanes.count 1, or end other programs", false},
	{"no memory line", func(c *computer) { c.write("proc/meminfo", "MemTotal: 1 kB\n") }, "memory", Warn, "read /proc/meminfo: no line MemAvailable", "free -m", false},
	{"swap", func(c *computer) {
		c.write("proc/swaps", "Filename Type\n/dev/sda2 partition 1 0 -2\n/swap file 1 0 -2\n")
	}, "swap", Warn, "on: /dev/sda2, /swap", "swapoff -a  # for the whole machine, until the next boot", false},
	{"small disk", func(c *computer) { c.disk.free = 3 << 30 }, "disk space", Warn, "3.0 GiB free in /root/.local/state", "free 6.0 GiB, or choose another place with --state-dir", false},
	{"full disk", func(c *computer) { c.disk.free = 1 << 20 }, "disk space", Fail, "0.0 GiB free in /root/.local/state", "free 6.0 GiB, or choose another place with --state-dir", false},
	{"on overlay", func(c *computer) { c.disk.magic = 0x794c7630 }, "file system", Warn, "/root/.local/state is on overlayfs", "choose another place with --state-dir, on ext4, xfs or btrfs", false},
	{"unknown file system", func(c *computer) { c.disk.magic = 0x1234 }, "file system", OK, "/root/.local/state is on a file system of type 0x1234", "", false},
	{"group of a dead lab", func(c *computer) { c.deadLab() }, "leftovers", Warn, "control groups without processes of demo", "find /sys/fs/cgroup/workbench/demo -depth -type d -exec rmdir {} +", true},
	{"group of a live lab", func(c *computer) {
		c.deadLab()
		c.write("sys/fs/cgroup/workbench/demo/w1/cgroup.procs", "77\n")
	}, "leftovers", OK, "none", "", false},
	{"port taken", func(c *computer) { c.stoppedLab(); c.taken[41234] = true }, "API port of demo", Warn, "127.0.0.1:41234 is used by another program", "ss -ltnp 'sport = :41234'  # shows which; end it", false},
	{"no nft for a lab that needs it", func(c *computer) { c.nftablesLab() }, "nft", Fail, "not installed", "apt-get update && env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nftables", true},
	{"nft", func(c *computer) { c.nftablesLab(); c.programs["nft"] = true }, "nft", OK, "/usr/sbin/nft", "", false},
	{"port free", func(c *computer) { c.stoppedLab() }, "API port of demo", OK, "127.0.0.1:41234 is free", "", false},
}

func v1Mounts(controllers ...string) string {
	var b strings.Builder
	for _, c := range controllers {
		b.WriteString("cgroup /sys/fs/cgroup/" + c + " cgroup rw,relatime," + c + " 0 0\n")
	}
	return b.String()
}

func (c *computer) deadLab() {
	for _, group := range []string{"", "/demo", "/demo/c1", "/demo/w1", "/demo/w1/kubepods"} {
		c.write("sys/fs/cgroup/workbench"+group+"/cgroup.procs", "")
	}
}

func (c *computer) stoppedLab() {
	c.write("root/.local/state/workbench/demo/lab.json", `{"apiPort": 41234}`)
}

func (c *computer) nftablesLab() {
	c.write("root/.local/state/workbench/demo/lab.json", `{"apiPort": 41234, "lab": {"spec": {"network": {"proxyMode": "nftables"}}}}`)
}

func TestFindings(t *testing.T) {
	for _, f := range findings {
		t.Run(f.name, func(t *testing.T) {
			c := goodComputer(t)
			f.change(c)
			got := c.find(c.checkup(Options{}), f.check)
			if got.Status != f.status || got.Found != f.found || got.Fix != f.fix || got.Fixable != f.fixable {
				t.Errorf("got  %s %q\n     fix %q, fixable %t\nwant %s %q\n     fix %q, fixable %t",
					got.Status, got.Found, got.Fix, got.Fixable, f.status, f.found, f.fix, f.fixable)
			}
			if got.Why == "" {
				t.Error("does not say why")
			}
		})
	}
}

// TestNFTForALabThatIsAskedFor: before its first boot a lab is known by its file.
func TestNFTForALabThatIsAskedFor(t *testing.T) {
	c := goodComputer(t)
	lab := spec.Default()
	lab.Metadata.Name, lab.Spec.Network.ProxyMode = "new", spec.NFTables
	if got := c.find(c.checkup(Options{Lab: lab}), "nft"); got.Status != Fail || !strings.Contains(got.Why, "new") {
		t.Errorf("without nft: %+v", got)
	}
	c.programs["nft"] = true
	if got := c.find(c.checkup(Options{Lab: lab}), "nft"); got.Status != OK {
		t.Errorf("with nft: %+v", got)
	}
}

func TestEachFindingLeavesTheOthersAlone(t *testing.T) {
	for _, f := range findings {
		c := goodComputer(t)
		f.change(c)
		for _, check := range c.checkup(Options{}) {
			if check.Status != OK && check.Fix == "" {
				t.Errorf("%s: %s is %s without a remedy", f.name, check.Name, check.Status)
			}
			if check.Status == OK && (check.Fix != "" || check.Fixable) {
				t.Errorf("%s: %s is ok and has the remedy %q", f.name, check.Name, check.Fix)
			}
		}
	}
}

func TestWithoutRootCommandsHaveSudoAndNothingIsFixable(t *testing.T) {
	c := goodComputer(t)
	c.uid = 1000
	c.programs["runc"] = false
	c.remove("proc/sys/net/bridge/bridge-nf-call-iptables")
	c.write("proc/sys/fs/inotify/max_user_instances", "128\n")
	c.deadLab()
	checks := c.checkup(Options{})
	for _, check := range checks {
		if check.Fixable {
			t.Errorf("%s is fixable", check.Name)
		}
	}
	for name, want := range map[string]string{
		"OCI runtime":     "sudo apt-get update && sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends runc",
		"br_netfilter":    "sudo modprobe br_netfilter",
		"bridge and veth": "sudo workbench doctor",
	} {
		if got := c.find(checks, name); got.Fix != want {
			t.Errorf("%s: %q", name, got.Fix)
		}
	}
}

func TestLimitsFollowTheLab(t *testing.T) {
	c := goodComputer(t)
	c.write("proc/meminfo", "MemAvailable: 1048576 kB\n")
	c.write("proc/sys/fs/inotify/max_user_instances", "64\n")
	checks := c.checkup(Options{Lab: smallLab()})
	if got := c.find(checks, "memory"); got.Status != OK || got.Why != "1 control planes and 1 workers need about 0.9 GiB" {
		t.Errorf("memory: %+v", got)
	}
	if got := c.find(checks, "inotify instances"); got.Status != Warn || !strings.Contains(got.Why, "30 for 2 nodes") {
		t.Errorf("inotify: %+v", got)
	}
}

func TestFixMendsAndReports(t *testing.T) {
	c := goodComputer(t)
	c.programs["runc"] = false
	c.remove("proc/sys/net/bridge/bridge-nf-call-iptables")
	c.write("proc/sys/fs/inotify/max_user_instances", "128\n")
	c.openFiles = 4096 // nothing Fix could do about it
	c.deadLab()
	c.onRun = func(line string) error {
		switch {
		case strings.HasSuffix(line, "runc"):
			c.programs["runc"] = true
		case strings.HasPrefix(line, "modprobe"):
			c.write("proc/sys/net/bridge/bridge-nf-call-iptables", "1")
		}
		return nil
	}
	// The files of a control group go with its directory; these would not.
	for _, group := range []string{"", "/c1", "/w1", "/w1/kubepods"} {
		c.remove("sys/fs/cgroup/workbench/demo" + group + "/cgroup.procs")
	}
	var out bytes.Buffer
	changes, err := Fix(t.Context(), c.checkup(Options{}), &out)
	if err != nil {
		t.Fatal(err)
	}
	var done []string
	for _, change := range changes {
		done = append(done, change.Check)
	}
	if want := []string{"br_netfilter", "OCI runtime", "inotify instances", "leftovers"}; !slices.Equal(done, want) {
		t.Errorf("fixed %q", done)
	}
	if !strings.Contains(out.String(), "running apt-get update\n") {
		t.Errorf("output was %q", out.String())
	}
	if value, err := os.ReadFile(filepath.Join(c.root, "proc/sys/fs/inotify/max_user_instances")); string(value) != "8192" {
		t.Errorf("inotify instances are %s, %v", value, err)
	}
	again := c.checkup(Options{})
	for _, name := range done {
		if got := c.find(again, name); got.Status != OK {
			t.Errorf("still %+v", got)
		}
	}
	if got := c.find(again, "open files of a process"); got.Status != Warn {
		t.Errorf("open files: %+v", got)
	}
}

func TestFixReportsWhatDidNotHelp(t *testing.T) {
	c := goodComputer(t)
	c.programs["runc"] = false
	broken := errors.New("exit status 100")
	c.onRun = func(string) error { return broken }
	changes, err := Fix(t.Context(), c.checkup(Options{}), &bytes.Buffer{})
	if !errors.Is(err, broken) || err.Error() != "fix OCI runtime: run apt-get update: exit status 100" {
		t.Errorf("got %v", err)
	}
	if len(changes) != 1 || changes[0].Error != "run apt-get update: exit status 100" {
		t.Errorf("changes %+v", changes)
	}
	if len(c.ran) != 1 {
		t.Errorf("went on after the failure: %q", c.ran)
	}
}

func TestRemoveGroupsTakesLeavesFirst(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"demo/w1/kubepods/pod1", "demo/c1", "other"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	groups := []string{filepath.Join(root, "demo"), filepath.Join(root, "gone")}
	if err := removeGroups(groups[:1]); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(root)
	if err != nil || len(left) != 1 || left[0].Name() != "other" {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestStateDirMustBeAbsolute(t *testing.T) {
	if _, err := Run(t.Context(), Options{StateDir: "here"}); err == nil || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("got %v", err)
	}
}

func TestTable(t *testing.T) {
	checks := []Check{
		{Name: "kernel", Status: OK, Found: "Linux 6"},
		{Name: "swap", Status: Warn, Found: "on", Why: "it is slow", Fix: "swapoff -a"},
		{Name: "OCI runtime", Status: Fail, Found: "none", Why: "containers", Fix: "apk add runc", Fixable: true},
	}
	var b bytes.Buffer
	if err := Print(&b, checks, true); err != nil {
		t.Fatal(err)
	}
	want := `+ kernel       Linux 6
! swap         on
               why: it is slow
               fix: swapoff -a
x OCI runtime  none
               why: containers
               fix: apk add runc

1 ok, 1 to look at, 1 that keep a lab from running; workbench doctor --fix mends 1
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
	if Worst(checks) != Fail || Worst(checks[:2]) != Warn {
		t.Error("wrong worst")
	}
}

func TestChecksAreJSON(t *testing.T) {
	c := goodComputer(t)
	c.programs["runc"] = false
	data, err := json.Marshal(c.find(c.checkup(Options{}), "OCI runtime"))
	want := `{"name":"OCI runtime","status":"fail","found":"neither runc nor crun is installed","why":"containerd starts containers with runc or crun","fix":"apt-get update \u0026\u0026 env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends runc","fixable":true}`
	if err != nil || string(data) != want {
		t.Errorf("got %s, %v", data, err)
	}
}

func TestParseRelease(t *testing.T) {
	for release, want := range map[string]version{"6.18.44-fc": {6, 18}, "5.4-rc1": {5, 4}, "4.19.0": {4, 19}, "10.0": {10, 0}} {
		if got, ok := parseRelease(release); !ok || got != want {
			t.Errorf("%s: %v, %t", release, got, ok)
		}
	}
	for _, release := range []string{"", "6", "x.y", "6.", ".1"} {
		if v, ok := parseRelease(release); ok {
			t.Errorf("%q was read as %v", release, v)
		}
	}
}

// TestFixMakesRoom: the processes of a container's own group move to one below.
func TestFixMakesRoom(t *testing.T) {
	c := goodComputer(t)
	c.write("sys/fs/cgroup/cgroup.type", "domain\n")
	c.write("sys/fs/cgroup/cgroup.procs", "1\n7\n")
	if _, err := Fix(t.Context(), c.checkup(Options{}), &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	// The file keeps what was written last; the kernel's lists all.
	if raw, err := os.ReadFile(filepath.Join(c.root, "sys/fs/cgroup/init/cgroup.procs")); err != nil || string(raw) != "7" {
		t.Errorf("moved %q, %v", raw, err)
	}
	c.write("sys/fs/cgroup/cgroup.procs", "1\n0\n")
	if _, err := Fix(t.Context(), c.checkup(Options{}), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "a cgroup namespace of its own") {
		t.Errorf("with processes of others: %v", err)
	}
}

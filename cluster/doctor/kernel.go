package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// version of a kernel.
type version struct{ major, minor int }

var (
	// oldest is the oldest kernel that Kubernetes supports (its documentation's
	// "Kernel version requirements": 4.19 of the long-term releases).
	oldest = version{4, 19}
	// nftables is where kube-proxy's nftables mode begins (pkg/util/kernel).
	nftables = version{5, 13}
)

func (v version) less(w version) bool {
	return v.major < w.major || v.major == w.major && v.minor < w.minor
}

func (v version) String() string { return fmt.Sprintf("%d.%d", v.major, v.minor) }

// parseRelease reads the beginning of a kernel release.
func parseRelease(release string) (version, bool) {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return version{}, false
	}
	digits := strings.IndexFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		digits = len(parts[1])
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1][:digits])
	return version{major, minor}, err == nil && err2 == nil
}

func (d *doctor) checkKernel(context.Context) []Check {
	return []Check{d.checkRelease(), d.checkNamespaces(), d.checkOverlay()}
}

func (d *doctor) checkRelease() Check {
	c := Check{Name: "kernel", Status: OK, Why: fmt.Sprintf("Kubernetes needs Linux %s, kube-proxy's nftables mode %s", oldest, nftables)}
	release, err := d.kernel.Release()
	v, ok := parseRelease(release)
	c.Found = "Linux " + release
	switch {
	case err != nil || !ok:
		c.Status, c.Found, c.Fix = Warn, fmt.Sprintf("release %q is not understood", release), "uname -r"
	case v.less(oldest):
		c.Status, c.Fix = Fail, "upgrade the distribution or its kernel"
	case v.less(nftables):
		c.Status, c.Fix = Warn, "use proxyMode iptables, or upgrade the kernel"
	}
	return c
}

func (d *doctor) checkNamespaces() Check {
	c := Check{Name: "namespaces", Status: OK, Found: "pid, mnt, uts, net, ipc, cgroup", Why: "each node has its own"}
	var missing []string
	for _, kind := range []string{"pid", "mnt", "uts", "net", "ipc", "cgroup"} {
		if !d.exists("/proc/self/ns/" + kind) {
			missing = append(missing, kind)
		}
	}
	if len(missing) > 0 {
		c.Status, c.Found = Fail, "no "+strings.Join(missing, ", ")+" namespaces"
		c.Fix = "use a kernel built with CONFIG_NAMESPACES and all kinds below it"
	}
	return c
}

func (d *doctor) checkOverlay() Check {
	c := Check{Name: "overlayfs", Status: OK, Why: "containers share the layers of their images"}
	known, err := d.read("/proc/filesystems")
	c.Found = "known to the kernel"
	if err != nil || !slices.Contains(strings.Fields(known), "overlay") {
		return d.module(c, "overlay", "not known to the kernel")
	}
	if !d.isRoot() {
		c.Found += "; not tried, which needs root"
		return c
	}
	dir := d.existingDir()
	if err := d.prober.Overlay(filepath.Join(d.root, dir)); err != nil {
		c.Status, c.Found = Fail, fmt.Sprintf("cannot be used in %s: %v", dir, err)
		c.Fix = "choose a directory on ext4, xfs or btrfs with --state-dir"
		return c
	}
	c.Found = "works in " + dir
	return c
}

// module fails the check with loading a kernel module as its remedy.
func (d *doctor) module(c Check, name, found string) Check {
	lines := [][]string{{"modprobe", name}}
	if _, err := d.commands.LookPath("modprobe"); err != nil {
		lines = append(d.manager.install("kmod"), lines...)
	}
	c.Status, c.Found, c.Fix, c.repair = Fail, found, d.command(lines...), d.runAll(lines...)
	return c
}

// existingDir is the state directory or the nearest one above it that exists.
func (d *doctor) existingDir() string {
	dir := d.options.StateDir
	for dir != "/" {
		if info, err := os.Stat(filepath.Join(d.root, dir)); err == nil && info.IsDir() {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// capabilities that node inits, container runtimes and kubelets use.
var capabilities = []struct {
	number int
	name   string
}{
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{unix.CAP_NET_RAW, "CAP_NET_RAW"},
	{unix.CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"},
	{unix.CAP_SYS_CHROOT, "CAP_SYS_CHROOT"},
	{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
	{unix.CAP_KILL, "CAP_KILL"},
	{unix.CAP_MKNOD, "CAP_MKNOD"},
	{unix.CAP_CHOWN, "CAP_CHOWN"},
	{unix.CAP_FOWNER, "CAP_FOWNER"},
	{unix.CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"},
	{unix.CAP_SETUID, "CAP_SETUID"},
	{unix.CAP_SETGID, "CAP_SETGID"},
	{unix.CAP_SETPCAP, "CAP_SETPCAP"},
}

func (d *doctor) checkPrivileges(context.Context) []Check {
	c := Check{Name: "privileges", Status: OK, Found: "root", Why: "nodes are Linux namespaces with mounts, bridges and control groups of their own"}
	if !d.isRoot() {
		c.Status, c.Found, c.Fix = Fail, fmt.Sprintf("user %d", d.kernel.UID()), "sudo workbench up"
		return []Check{c}
	}
	status, err := d.read("/proc/self/status")
	if err != nil {
		c.Status, c.Found, c.Fix = Warn, fmt.Sprintf("root with unknown capabilities: %v", err), "mount -t proc proc /proc"
		return []Check{c}
	}
	effective := effectiveCapabilities(status)
	var missing []string
	for _, want := range capabilities {
		if effective>>want.number&1 == 0 {
			missing = append(missing, want.name)
		}
	}
	switch {
	case len(missing) > 0:
		c.Status, c.Found = Fail, "root without "+strings.Join(missing, ", ")
		c.Fix = "start the container or service that this is with all capabilities, such as docker run --privileged"
	case effective>>unix.CAP_SYS_RESOURCE&1 == 0:
		c.Found = "root without CAP_SYS_RESOURCE: out-of-memory scores of pods cannot be lowered, all else works"
	}
	return []Check{c}
}

func effectiveCapabilities(status string) uint64 {
	for line := range strings.SplitSeq(status, "\n") {
		if mask, ok := strings.CutPrefix(line, "CapEff:"); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return n
		}
	}
	return 0
}

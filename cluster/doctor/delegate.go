package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// crowd is the group that Fix makes for the processes of a container.
const crowd = "init"

// crowded tells whether a v2 hierarchy begins with a group that holds processes and
// so cannot pass the controllers that a lab wants on to groups below. That is so in
// a container, which sees its own group as the root; the machine's root, which has
// no cgroup.type, is exempt (Documentation/admin-guide/cgroup-v2.rst, "No Internal
// Process Constraint").
func (d *doctor) crowded(h hierarchy, want []string) bool {
	if !h.v2 || !d.exists(filepath.Join(h.mount, "cgroup.type")) {
		return false
	}
	passed, _ := d.read(filepath.Join(h.mount, "cgroup.subtree_control"))
	given := strings.Fields(passed)
	if !slices.ContainsFunc(want, func(c string) bool { return !slices.Contains(given, c) }) {
		return false
	}
	procs, err := d.read(filepath.Join(h.mount, "cgroup.procs"))
	return err == nil && procs != ""
}

// makeRoom fails the check with moving the processes of the group into one below as
// its remedy.
func (d *doctor) makeRoom(c Check, h hierarchy) Check {
	below := filepath.Join(h.mount, crowd)
	procs := filepath.Join(h.mount, "cgroup.procs")
	c.Status, c.Found = Fail, "v2, but processes in "+h.mount+" itself, this container's group, keep it from passing controllers on"
	c.Fix = d.command([]string{"mkdir", "-p", below}, []string{"xargs", "-rn1", "<", procs, ">", filepath.Join(below, "cgroup.procs")})
	if d.isRoot() {
		c.repair = func(context.Context, io.Writer) error {
			return empties(filepath.Join(d.root, procs), filepath.Join(d.root, below))
		}
	}
	return c
}

// empties moves all processes that a cgroup.procs names into a group below, those
// that were forked meanwhile too.
func empties(procs, below string) error {
	if err := os.Mkdir(below, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make control group: %w", err)
	}
	seen := map[string]bool{}
	for fresh := true; fresh; {
		raw, err := os.ReadFile(procs)
		if err != nil {
			return fmt.Errorf("list processes: %w", err)
		}
		fresh = false
		for pid := range strings.FieldsSeq(string(raw)) {
			if pid == "0" {
				return errors.New("processes that are not this container's are in its group: give it a cgroup namespace of its own")
			}
			if seen[pid] {
				continue
			}
			seen[pid], fresh = true, true
			if err := os.WriteFile(filepath.Join(below, "cgroup.procs"), []byte(pid), 0o600); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("move process %s: %w", pid, err)
			}
		}
	}
	return nil
}

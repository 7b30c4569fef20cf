package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"workbench/cluster/layout"
)

// labGroup is the name of the control group that holds those of all labs.
const labGroup = "workbench"

// checkLeftovers looks for control groups of labs that are gone. Everything
// else that a lab has ends with its processes.
func (d *doctor) checkLeftovers(context.Context) []Check {
	c := Check{Name: "leftovers", Status: OK, Found: "none", Why: "a lab that was killed may leave empty control groups"}
	dead := map[string][]string{} // lab to its groups
	alive, err := d.runningGroups()
	if err != nil {
		c.Status, c.Found = Warn, "unknown: "+err.Error()
		return []Check{c}
	}
	for _, h := range d.hierarchies() {
		parent := filepath.Join(d.root, h.mount, labGroup)
		entries, err := os.ReadDir(parent)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if group := filepath.Join(parent, e.Name()); e.IsDir() && empty(group) && !alive[e.Name()] {
				dead[e.Name()] = append(dead[e.Name()], group)
			}
		}
	}
	// A lab with a process in one hierarchy is alive in all of them.
	for name := range dead {
		for _, h := range d.hierarchies() {
			if group := filepath.Join(d.root, h.mount, labGroup, name); !empty(group) {
				delete(dead, name)
				break
			}
		}
	}
	if len(dead) == 0 {
		return []Check{c}
	}
	var groups []string
	for _, name := range slices.Sorted(maps.Keys(dead)) {
		groups = append(groups, dead[name]...)
	}
	c.Status = Warn
	c.Found = "control groups without processes of " + strings.Join(slices.Sorted(maps.Keys(dead)), ", ")
	c.Fix = d.command(append([]string{"find"}, append(groups, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+")...))
	if d.isRoot() {
		c.repair = func(context.Context, io.Writer) error { return removeGroups(groups) }
	}
	return []Check{c}
}

// runningGroups are the groups of labs whose supervisor runs.
func (d *doctor) runningGroups() (map[string]bool, error) {
	names, err := layout.List(filepath.Join(d.root, d.options.StateDir))
	alive := map[string]bool{}
	for _, name := range names {
		// The group is named by the path as a lab knows it, without the root
		// that tests put in front.
		group := layout.Lab{State: d.options.StateDir, Name: name}.Group()
		alive[group] = runs(layout.Lab{State: filepath.Join(d.root, d.options.StateDir), Name: name})
	}
	return alive, err
}

// empty tells whether no process is in the group or below. One that cannot be
// read is not empty; one that does not exist is.
func empty(group string) bool {
	err := filepath.WalkDir(group, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !e.IsDir() {
			return nil
		}
		procs, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err == nil && len(procs) > 0 {
			return errors.New("a process is in it")
		}
		return err
	})
	return err == nil || errors.Is(err, fs.ErrNotExist)
}

// removeGroups removes groups from the leaves up. The kernel refuses those that
// have got a process meanwhile.
func removeGroups(groups []string) error {
	var errs []error
	for _, group := range groups {
		var dirs []string
		err := filepath.WalkDir(group, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				dirs = append(dirs, path)
			}
			return err
		})
		errs = append(errs, err)
		for _, dir := range slices.Backward(dirs) {
			if err := removeGroup(dir); err != nil {
				errs = append(errs, fmt.Errorf("remove control group: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// removeGroup is rmdir: the files in a group go with it.
func removeGroup(dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

package harness

import (
	"bufio"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settle bounds how long the kernel may take to end the processes of a lab
// whose supervisor is gone.
const settle = 20 * time.Second

// AssertClean asserts that the lab, which is down, has left nothing on the
// machine but its files.
func (l *Lab) AssertClean() {
	l.t.Helper()
	l.assertNone(append(l.leftovers(), l.groups(false)...))
	if _, err := os.Lstat(l.Socket()); err == nil {
		l.t.Errorf("left by lab %s: socket %s", l.Name, l.Socket())
	}
}

// AssertNothingRuns is AssertClean after a kill -9 of the supervisor, which
// can leave two dead things for the next command to sweep: its socket's name
// and control groups without a process.
func (l *Lab) AssertNothingRuns() {
	l.t.Helper()
	l.assertNone(append(l.leftovers(), l.groups(true)...))
}

func (l *Lab) assertNone(found []string) {
	l.t.Helper()
	for _, what := range found {
		l.t.Errorf("left by lab %s: %s", l.Name, what)
	}
}

// leftovers is all of the lab that is still on the machine.
func (l *Lab) leftovers() []string {
	awaitEnd(l.processes(), time.Now().Add(settle))
	var found []string
	for _, p := range l.processes() {
		found = append(found, p.String())
	}
	for line := range lines("/proc/self/mountinfo") {
		if strings.Contains(line, l.Dir()+"/") || strings.HasSuffix(line, l.Dir()) {
			found = append(found, "mount "+line)
		}
	}
	found = append(found, l.disks()...)
	found = append(found, l.sockets()...)
	after := Snapshot(l.t)
	found = append(found, changes("link", l.before.Links, after.Links)...)
	found = append(found, changes("route", l.before.Routes, after.Routes)...)
	found = append(found, changes("rule", l.before.Rules, after.Rules)...)
	// What another lab ended just now has PID 1 as its parent for a moment. One that
	// has this only later is none of this lab: the other may have been ended again.
	was := l.namespaces()
	awaitEnd(was, time.Now().Add(settle))
	for _, p := range l.namespaces() {
		if slices.ContainsFunc(was, func(q trace) bool { return q.pid == p.pid }) {
			found = append(found, p.String())
		}
	}
	return found
}

// disks are loop devices with a file of the lab. The kernel lets go of one a moment
// after the last process that saw its mount.
func (l *Lab) disks() (found []string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(settle); ; <-tick.C {
		found = nil
		backing, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
		if err != nil {
			l.t.Fatal(err)
		}
		for _, file := range backing {
			if raw, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(raw), l.Dir()+"/") {
				found = append(found, "loop device "+strings.Split(file, "/")[3]+" of "+strings.TrimSpace(string(raw)))
			}
		}
		if len(found) == 0 || time.Now().After(deadline) {
			return found
		}
	}
}

// groupDirs are the lab's control groups, in any hierarchy.
func (l *Lab) groupDirs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range lines("/proc/self/mountinfo") {
			head, tail, _ := strings.Cut(line, " - ")
			if !strings.HasPrefix(tail, "cgroup") {
				continue
			}
			dir := filepath.Join(strings.Fields(head)[4], "workbench", l.Group())
			more := true
			_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
				if err != nil || !e.IsDir() {
					return nil // it has gone meanwhile, or is a file
				}
				if more = yield(path); !more {
					return fs.SkipAll
				}
				return nil
			})
			if !more {
				return
			}
		}
	}
}

// members are the processes of a control group.
func members(dir string) []int {
	raw, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil
	}
	var all []int
	for field := range strings.FieldsSeq(string(raw)) {
		if pid, err := strconv.Atoi(field); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// groups are the lab's control groups; with emptyIsFine only those that hold a
// process.
func (l *Lab) groups(emptyIsFine bool) []string {
	var found []string
	for dir := range l.groupDirs() {
		if in := members(dir); !emptyIsFine || len(in) > 0 {
			found = append(found, fmt.Sprintf("control group %s with processes %v", dir, in))
		}
	}
	return found
}

// sockets are listeners on the lab's API port and on its socket.
func (l *Lab) sockets() []string {
	var found []string
	if saved, err := l.Load(); err == nil {
		port := fmt.Sprintf(":%04X", saved.APIPort)
		for _, file := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
			for line := range lines(file) {
				// proc(5): number, local address, remote address, state; 0A listens.
				if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1], port) && f[3] == "0A" {
					found = append(found, "listener on the API port "+strconv.Itoa(saved.APIPort))
				}
			}
		}
	}
	for line := range lines("/proc/self/net/unix") {
		if strings.Contains(line, l.Dir()+"/") {
			found = append(found, "unix socket "+line)
		}
	}
	return found
}

// namespaces are those that were not there before and belong to nobody else:
// of a process whose parents lead to PID 1 or to this test without a living
// supervisor of another lab in between.
func (l *Lab) namespaces() []trace {
	var found []trace
	for _, pid := range pids() {
		if dead(pid) {
			continue // PID 1 has yet to reap it; it holds nothing
		}
		var fresh []string
		for _, ns := range namespacesOf(pid) {
			if !l.before.Namespaces[ns] {
				fresh = append(fresh, ns)
			}
		}
		if len(fresh) > 0 && !l.foreign(pid) {
			found = append(found, trace{pid, "has new namespaces " + strings.Join(fresh, " ")})
		}
	}
	return found
}

// foreign says that a process descends from one that has no new namespace, is
// not PID 1 and has nothing to do with this test: somebody else answers for it.
func (l *Lab) foreign(pid int) bool {
	for ; pid > 1; pid = parent(pid) {
		if pid == os.Getpid() || l.owns(pid) != "" {
			return false
		}
		old := true
		for _, ns := range namespacesOf(pid) {
			old = old && l.before.Namespaces[ns]
		}
		if old {
			return true
		}
	}
	return false
}

// lines of a file; none if it cannot be read.
func lines(file string) iter.Seq[string] {
	return func(yield func(string) bool) {
		f, err := os.Open(file)
		if err != nil {
			return
		}
		defer f.Close()
		s := bufio.NewScanner(f)
		for s.Scan() {
			if !yield(s.Text()) {
				return
			}
		}
	}
}

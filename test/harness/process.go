package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"workbench/runtime/namespace"
)

// trace says why a process counts as one of the lab.
type trace struct {
	pid int
	why string
}

func (p trace) String() string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.pid))
	return fmt.Sprintf("process %d (%s): %s", p.pid, strings.TrimSpace(string(comm)), p.why)
}

// pids are all processes of the machine.
func pids() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// processes are those that belong to the lab, by anything that ties them to
// it: program, arguments, environment, directories, control group, mounts.
func (l *Lab) processes() []trace {
	var found []trace
	for _, pid := range pids() {
		if pid == os.Getpid() {
			continue
		}
		if why := l.owns(pid); why != "" {
			found = append(found, trace{pid, why})
		}
	}
	// One that is dying says nothing more of itself, but is in its group.
	for dir := range l.groupDirs() {
		for _, pid := range members(dir) {
			if !slices.ContainsFunc(found, func(p trace) bool { return p.pid == pid }) {
				found = append(found, trace{pid, "it is in control group " + dir})
			}
		}
	}
	return found
}

// owns says what ties a process to the lab, or "".
func (l *Lab) owns(pid int) string {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	for _, link := range []string{"exe", "cwd", "root"} {
		if to, err := os.Readlink(filepath.Join(dir, link)); err == nil && strings.HasPrefix(to, l.Dir()) {
			return link + " is " + to
		}
	}
	args := arguments(pid)
	line := strings.Join(args, " ")
	if i := slices.Index(args, "--name"); i >= 0 && slices.Contains(args, l.State) && args[i+1] == l.Name || strings.Contains(line, l.Dir()) {
		return "it is " + line
	}
	for file, mark := range map[string]string{
		"environ":   l.Dir() + "/",
		"cgroup":    "/workbench/" + l.Group(),
		"mountinfo": " " + l.Dir() + "/",
	} {
		if raw, err := os.ReadFile(filepath.Join(dir, file)); err == nil && strings.Contains(string(raw), mark) {
			return "its " + file + " names the lab"
		}
	}
	return ""
}

// awaitEnd waits until the processes have ended, at most until the deadline.
func awaitEnd(found []trace, deadline time.Time) {
	for _, p := range found {
		fd, err := unix.PidfdOpen(p.pid, 0)
		if err != nil {
			continue // it has ended
		}
		for {
			left := max(0, int(time.Until(deadline).Milliseconds()))
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, left); err != unix.EINTR {
				break
			}
		}
		_ = unix.Close(fd)
	}
}

// Supervisor is the PID of the lab's supervisor. What it forks looks like it until
// that becomes another program.
func (l *Lab) Supervisor() int {
	l.t.Helper()
	alike := slices.DeleteFunc(pids(), func(pid int) bool {
		args := arguments(pid)
		return !slices.Contains(args, "supervisor") || !slices.Contains(args, l.State) || !slices.Contains(args, l.Name)
	})
	for _, pid := range alike {
		if !slices.Contains(alike, parent(pid)) {
			return pid
		}
	}
	l.t.Fatalf("lab %s has no supervisor", l.Name)
	return 0
}

// Init is the PID of the lab's init, a child of its supervisor.
func (l *Lab) Init(supervisor int) int {
	l.t.Helper()
	for _, pid := range pids() {
		if args := arguments(pid); args[0] == namespace.LabInitRole && parent(pid) == supervisor && !dead(pid) {
			return pid
		}
	}
	l.t.Fatalf("supervisor %d has no %s", supervisor, namespace.LabInitRole)
	return 0
}

// arguments are those that a process was started with, at least an empty one: its
// end has none.
func arguments(pid int) []string {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.Split(string(raw), "\x00")
}

// parent is the PID of a process's parent; 0 if it has none.
func parent(pid int) int {
	ppid, _ := strconv.Atoi(stat(pid)[1])
	return ppid
}

// dead says that a process has ended but was not reaped yet.
func dead(pid int) bool {
	state := stat(pid)[0]
	return state == "Z" || state == "X" || state == ""
}

// stat are the state and the parent of proc(5) stat; empty when it has gone.
func stat(pid int) [2]string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return [2]string{}
	}
	// The command before may contain anything, so look from its end.
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) < 2 {
		return [2]string{}
	}
	return [2]string{fields[0], fields[1]}
}

// Kill kills a process at once.
func (l *Lab) Kill(pid int) {
	l.t.Helper()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		l.t.Fatalf("kill process %d: %v", pid, err)
	}
}

// KillSupervisor kills the supervisor as a crash would, and asserts that
// nothing of the lab runs on.
func (l *Lab) KillSupervisor() {
	l.t.Helper()
	l.Kill(l.Supervisor())
	l.AssertNothingRuns()
}

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"workbench/test/require"
)

func TestParseMount(t *testing.T) {
	for line, want := range map[string]Hierarchy{
		"35 31 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory":                              {Mount: "/sys/fs/cgroup/memory", Options: "memory"},
		"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct":             {Mount: "/sys/fs/cgroup/cpu,cpuacct", Options: "cpu,cpuacct"},
		"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd": {Mount: "/sys/fs/cgroup/systemd", Options: "name=systemd"},
		"33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup none rw,cpuset,clone_children":                          {Mount: "/sys/fs/cgroup/cpuset", Options: "cpuset"},
		"29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot":            {Mount: "/sys/fs/cgroup", V2: true},
	} {
		if got, ok := parseMount(line); !ok || got != want {
			t.Errorf("%s\ngives %+v, %v; want %+v", line, got, ok, want)
		}
	}
	for _, line := range []string{
		"", "garbage", "27 1 254:0 / / rw - ext4 /dev/vda rw", "1 2 3 - cgroup cgroup rw", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw",
	} {
		if got, ok := parseMount(line); ok {
			t.Errorf("%q gives %+v, want none", line, got)
		}
	}
}

// TestLimitsOfV2 writes into a directory that looks like a v2 group, as this
// machine may have v1 only.
func TestLimitsOfV2(t *testing.T) {
	root := t.TempDir()
	for _, file := range []string{"cpu.max", "memory.max"} {
		if err := os.WriteFile(filepath.Join(root, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := &Group{path: ".", hierarchies: []Hierarchy{{Mount: root, V2: true}}}
	for _, c := range []struct {
		limits      Limits
		cpu, memory string
	}{
		{Limits{CPUs: 1.5, MemoryBytes: 1 << 30}, "150000 100000", "1073741824"},
		{Limits{}, "max 100000", "max"},
	} {
		if err := g.limit(c.limits); err != nil {
			t.Fatal(err)
		}
		for file, want := range map[string]string{"cpu.max": c.cpu, "memory.max": c.memory} {
			raw, err := os.ReadFile(filepath.Join(root, file))
			if got := strings.TrimSpace(string(raw)); err != nil || !strings.HasPrefix(got, want) {
				t.Errorf("%+v: %s has %q, %v; want %q", c.limits, file, got, err, want)
			}
		}
		if err := errors.Join(os.Truncate(filepath.Join(root, "cpu.max"), 0), os.Truncate(filepath.Join(root, "memory.max"), 0)); err != nil {
			t.Fatal(err)
		}
	}
}

// testGroup makes a group of a lab that only this process has.
func testGroup(t *testing.T, limits Limits) *Group {
	t.Helper()
	require.Root(t)
	lab := fmt.Sprintf("unit-test-%d", os.Getpid())
	g, err := Create(lab, "n1", limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := RemoveLab(lab); err != nil {
			t.Error(err)
		}
		for _, h := range g.hierarchies {
			if _, err := os.Stat(filepath.Join(h.Mount, Parent, lab)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the group in %s is there after RemoveLab (%v)", h.Mount, err)
			}
		}
	})
	return g
}

// begin starts a process that ends when its standard input does.
func begin(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// TestExhaustV2 holds that a container's limit is as it was after its memory was
// exhausted, in a directory that looks like a v2 group.
func TestExhaustV2(t *testing.T) {
	root := t.TempDir()
	g := &Group{path: ".", hierarchies: []Hierarchy{{Mount: root, V2: true}}}
	if err := g.Exhaust(t.Context(), "pod", ""); err == nil || !strings.Contains(err.Error(), "memory.max") {
		t.Errorf("of a group without a limit: %v", err)
	}
	sub := filepath.Join(root, "pod")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{"memory.max": "max", "cgroup.procs": "", "memory.events": "oom 3\noom_kill 2\n"} {
		if err := os.WriteFile(filepath.Join(sub, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Exhaust(t.Context(), "pod", ""); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(filepath.Join(sub, "memory.max")); err != nil || string(raw) != "max" {
		t.Errorf("its limit is %q, %v", raw, err)
	}
	if n := g.OOMKills("pod"); n != 2 {
		t.Errorf("%d kills, want 2", n)
	}
}

// TestMain is the memory eater where the test is started as that.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == EaterRole {
		if err := Eat(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestExhaust lets a real group run out of memory: the kernel ends the process that
// was in it, not the one that was let in (v1), and the limit is as before.
func TestExhaust(t *testing.T) {
	g := testGroup(t, Limits{})
	root, v2 := g.memoryDir()
	file := "memory.limit_in_bytes"
	if v2 {
		file = "memory.max"
		delegate(root) // as the node's init does
	}
	dir := filepath.Join(root, "pod")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		cmd := begin(t, "read wait")
		if err := write(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(cmd.Process.Pid)); err != nil {
			t.Fatal(err)
		}
		before := g.OOMKills("pod")
		if err := g.Exhaust(t.Context(), "pod", "/proc/self/exe"); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("the process ended with %v", err)
		}
		if n := g.OOMKills("pod"); n <= before { // the eater may be one more
			t.Errorf("%d kills, had %d", n, before)
		}
		if now := readWords(dir, file); len(now) != 1 || size(now) != 0 {
			t.Errorf("its limit is %v", now)
		}
	}
}

func TestGroupHoldsAndSignalsProcesses(t *testing.T) {
	g := testGroup(t, Limits{})
	one, two := begin(t, "read wait"), begin(t, "read wait")
	for _, cmd := range []*exec.Cmd{one, two} {
		if err := g.Add(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
	want := []int{one.Process.Pid, two.Process.Pid}
	got, err := g.Processes()
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("processes %v, %v; want %v", got, err, want)
	}
	if err := g.Signal(one.Process.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, pid := range want {
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
			t.Errorf("process %d did not stop: %v, %v", pid, status, err)
		}
	}
	if err := g.Signal(0, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := g.Remove(); err == nil {
		t.Error("a group with processes was removed")
	}
	if err := g.Signal(0, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []*exec.Cmd{one, two} {
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("the process ended with %v", err)
		}
	}
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
	if err := g.Remove(); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
	if err := g.Add(os.Getpid()); err == nil {
		t.Error("a process was added to a group that is gone")
	}
}

func TestLimits(t *testing.T) {
	g := testGroup(t, Limits{CPUs: 0.5, MemoryBytes: 256 << 20})
	want := map[string]string{
		"cpu.cfs_quota_us": "50000", "memory.limit_in_bytes": strconv.Itoa(256 << 20),
		"cpu.max": "50000 100000", "memory.max": strconv.Itoa(256 << 20),
	}
	checked := 0
	for _, h := range g.hierarchies {
		for file, value := range want {
			raw, err := os.ReadFile(filepath.Join(h.Mount, g.path, file))
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			checked++
			if got := strings.TrimSpace(string(raw)); err != nil || got != value {
				t.Errorf("%s is %q, %v; want %q", file, got, err, value)
			}
		}
	}
	if checked != 2 {
		t.Errorf("%d limits were found, want that of the processor and that of memory", checked)
	}
	// Taken over without limits, it has none.
	lab, node := filepath.Split(strings.TrimPrefix(g.path, Parent+"/"))
	if _, err := Create(filepath.Clean(lab), node, Limits{}); err != nil {
		t.Fatal(err)
	}
	for _, h := range g.hierarchies {
		if raw, err := os.ReadFile(filepath.Join(h.Mount, g.path, "cpu.cfs_quota_us")); err == nil && strings.TrimSpace(string(raw)) != "-1" {
			t.Errorf("the group taken over has the quota %s", raw)
		}
	}
}

// TestRemoveNested holds that what a kubelet made below a node's group goes
// with it.
func TestRemoveNested(t *testing.T) {
	g := testGroup(t, Limits{})
	for _, h := range g.hierarchies {
		if err := os.MkdirAll(filepath.Join(h.Mount, g.path, "kubepods/burstable/pod1"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
}

package mount

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"workbench/runtime/disk"
	"workbench/test/require"
)

// inside is the name under which this test is the process that enters a root.
const inside = "mount-test-inside"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == inside {
		if err := enterAndLook(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// sight is what a process in a root sees.
type sight struct {
	Top       []string // names in /
	Pid       string   // of itself in /proc
	Own       string   // content of the root's own file
	Tool      string   // content of a bound file
	Errors    map[string]string
	Mounts    string
	Propagate bool              // mounts are shared
	Disk      map[string]string // content of files of directories on the disk
}

func enterAndLook() error {
	var root Root
	if err := json.NewDecoder(os.Stdin).Decode(&root); err != nil {
		return err
	}
	if err := root.Enter(); err != nil {
		return err
	}
	var s sight
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	for _, e := range entries {
		s.Top = append(s.Top, e.Name())
	}
	s.Pid, _ = os.Readlink("/proc/self")
	own, _ := os.ReadFile("/etc/own")
	tool, _ := os.ReadFile("/opt/tools/tool")
	s.Own, s.Tool = string(own), string(tool)
	s.Errors = map[string]string{}
	for _, file := range []string{"/usr/written", "/opt/tools/written", "/srv/written", "/run/written", "/tmp/written", "/etc/written"} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			s.Errors[file] = err.Error()
		}
	}
	if root.Disk != nil {
		s.Disk = map[string]string{}
		for _, file := range []string{"/data/before", "/data/written", "/layers/1/file", "/layers/written"} {
			content, _ := os.ReadFile(file)
			s.Disk[file] = string(content)
		}
		for _, file := range []string{"/data/written", "/layers/written"} {
			if err := os.WriteFile(file, []byte("on disk"), 0o600); err != nil {
				return err
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	s.Mounts = string(mounts)
	for line := range strings.Lines(s.Mounts) {
		if f := strings.Fields(line); f[4] == "/" {
			s.Propagate = strings.HasPrefix(f[6], "shared:")
		}
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

// look enters a root in namespaces of its own and tells what is there.
func look(t *testing.T, root Root) (sight, error) {
	t.Helper()
	require.Root(t)
	config, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	var out, errOut strings.Builder
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{inside}, Stdin: strings.NewReader(string(config)), Stdout: &out, Stderr: &errOut,
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET},
	}
	if err := cmd.Run(); err != nil {
		return sight{}, errors.New(errOut.String())
	}
	var s sight
	if err := json.Unmarshal([]byte(out.String()), &s); err != nil {
		t.Fatal(err)
	}
	return s, nil
}

func TestEnter(t *testing.T) {
	root, tools, host := t.TempDir(), t.TempDir(), t.TempDir()
	for file, content := range map[string]string{root + "/etc/own": "mine", tools + "/tool": "bound", host + "/secret": "the host's"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	srv := filepath.Join(host, "srv")
	if err := os.Mkdir(srv, 0o755); err != nil {
		t.Fatal(err)
	}
	// A second time the directory holds what the first has made.
	for range 2 {
		s, err := look(t, Root{Dir: root, Binds: []Bind{
			{Source: tools, Target: "/opt/tools"}, {Source: srv, Target: "/srv", Writable: true},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if s.Own != "mine" || s.Tool != "bound" {
			t.Errorf("inside, the own file has %q and the bound one %q", s.Own, s.Tool)
		}
		if s.Pid != "1" {
			t.Errorf("/proc is of another PID namespace: self is %s", s.Pid)
		}
		for _, file := range []string{"/usr/written", "/opt/tools/written"} {
			if !strings.Contains(s.Errors[file], "read-only") {
				t.Errorf("writing %s: %q, want read-only", file, s.Errors[file])
			}
		}
		if len(s.Errors) != 2 {
			t.Errorf("errors %v", s.Errors)
		}
		if strings.Contains(s.Mounts, host+"/secret") || strings.Contains(strings.Join(s.Top, " "), "secret") {
			t.Error("the host's files are in sight")
		}
		if !s.Propagate {
			t.Errorf("mounts are not shared below the root:\n%s", s.Mounts)
		}
	}
	if _, err := os.Stat(filepath.Join(srv, "written")); err != nil {
		t.Errorf("what was written to a writable bind: %v", err)
	}
	for _, file := range []string{"run/written", "tmp/written"} {
		if _, err := os.Stat(filepath.Join(root, file)); err == nil {
			t.Errorf("%s is on the disk, want it gone with the node", file)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), root) {
		t.Errorf("the host has mounts of the root (%v)", err)
	}
}

func TestEnterRefuses(t *testing.T) {
	root := t.TempDir()
	if _, err := look(t, Root{Dir: root, Binds: []Bind{{Source: "/absent/source", Target: "/x"}}}); err == nil || !strings.Contains(err.Error(), "/absent/source") {
		t.Errorf("an absent source gives %v", err)
	}
	if _, err := look(t, Root{Dir: filepath.Join(root, "absent")}); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("an absent root gives %v", err)
	}
}

func TestRelink(t *testing.T) {
	dir := t.TempDir()
	source, target := filepath.Join(dir, "source"), filepath.Join(dir, "target")
	if err := os.Symlink("usr/bin", source); err != nil {
		t.Fatal(err)
	}
	for _, before := range []string{"", "usr/bin", "elsewhere"} {
		_ = os.Remove(target)
		if before != "" {
			if err := os.Symlink(before, target); err != nil {
				t.Fatal(err)
			}
		}
		if err := relink(source, target); err != nil {
			t.Fatal(err)
		}
		if to, err := os.Readlink(target); err != nil || to != "usr/bin" {
			t.Errorf("the link that was %q leads to %q, %v", before, to, err)
		}
	}
}

func TestDisk(t *testing.T) {
	require.Disks(t)
	dir := t.TempDir()
	d, err := disk.Open(t.Context(), filepath.Join(dir, "disk"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	root := filepath.Join(dir, "root")
	if err := errors.Join(os.MkdirAll(root+"/data", 0o700), os.MkdirAll(root+"/layers/1", 0o700), os.WriteFile(root+"/layers/1/file", []byte("given"), 0o600)); err != nil {
		t.Fatal(err)
	}
	before := ""
	for range 2 {
		s, err := look(t, Root{Dir: root, Disk: &Disk{Device: d.Device, Options: disk.Options, At: "/var/disk", Dirs: []string{"/data"}, Linked: []string{"/layers"}}})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"/data/before": "", "/data/written": before, "/layers/1/file": "given", "/layers/written": before}
		if !maps.Equal(s.Disk, want) {
			t.Errorf("the disk has %v, want %v", s.Disk, want)
		}
		before = "on disk" // as the first has left it
	}
	for _, file := range []string{"data/written", "layers/written"} {
		if _, err := os.Stat(filepath.Join(root, file)); err == nil {
			t.Errorf("%s was written to the root, not to the disk", file)
		}
	}
}

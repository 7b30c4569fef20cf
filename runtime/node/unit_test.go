package node

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
)

func TestProbeKinds(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			http.Error(w, "no", http.StatusServiceUnavailable)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, c := range []struct {
		probe Probe
		says  string // "" when it succeeds
	}{
		{Probe{"http", plain.URL + "/good"}, ""},
		{Probe{"http", plain.URL + "/bad"}, "503"},
		{Probe{"https", secure.URL + "/good"}, ""},
		{Probe{"https", secure.URL + "/bad"}, "503"},
		{Probe{"https", "https://" + plain.Listener.Addr().String()}, "HTTP response"},
		{Probe{"tcp", plain.Listener.Addr().String()}, ""},
		{Probe{"tcp", "127.0.0.1:1"}, "refused"},
		{Probe{"unix", socket}, ""},
		{Probe{"unix", socket + ".absent"}, "no such file"},
		{Probe{"carrier-pigeon", "home"}, "carrier-pigeon"},
	} {
		err := c.probe.checker()(probeTimeout)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want %q", c.probe, err, c.says)
		}
	}
}

// TestProbesOfOneThatStarts: often at first, and never so often or so impatiently
// that a slow machine has nothing else to do.
func TestProbesOfOneThatStarts(t *testing.T) {
	for _, c := range []struct{ since, pause, timeout time.Duration }{
		{0, 25 * time.Millisecond, time.Second},
		{400 * time.Millisecond, 25 * time.Millisecond, time.Second},
		{2 * time.Second, 40 * time.Millisecond, time.Second},
		{20 * time.Second, 400 * time.Millisecond, 5 * time.Second},
		{5 * time.Minute, 2 * time.Second, 10 * time.Second},
	} {
		if pause, timeout := starting(c.since); pause != c.pause || timeout != c.timeout {
			t.Errorf("after %v: %v and %v, want %v and %v", c.since, pause, timeout, c.pause, c.timeout)
		}
	}
}

// writeProcess writes what proc(5) has of a process: with a command as odd as
// it may be, processor time in clock ticks and memory in pages.
func writeProcess(t *testing.T, dir string, user, system, resident, shared int) {
	t.Helper()
	stat := fmt.Sprintf("42 (a) b ( c) S 1 42 42 0 -1 4194560 100 0 0 0 %d %d 0 0 20 0 9 0 100 123456 77 0 0\n", user, system)
	statm := fmt.Sprintf("1000 %d %d 3 0 50 0\n", resident, shared)
	for file, content := range map[string]string{"stat": stat, "statm": statm} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadUsage(t *testing.T) {
	dir := t.TempDir()
	writeProcess(t, dir, 250, 50, 100, 23)
	got, ok := readUsage(dir)
	if want := (event.Usage{CPU: 3 * time.Second, MemoryBytes: 77 * int64(os.Getpagesize())}); !ok || got != want {
		t.Errorf("usage %+v, %v; want %+v", got, ok, want)
	}
	for _, broken := range []string{"", "42 (x", "42 (x) S 1"} {
		if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok := readUsage(dir); ok {
			t.Errorf("%q is read as usage", broken)
		}
	}
	if _, ok := readUsage(filepath.Join(dir, "gone")); ok {
		t.Error("a process that ended has usage")
	}
}

func TestUsageTellsComponentsFromPods(t *testing.T) {
	proc := t.TempDir()
	for pid, pages := range map[string]int{"1": 5, "10": 7, "11": 1, "12": 2} {
		dir := filepath.Join(proc, pid)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		writeProcess(t, dir, 100, 0, pages+10, 10)
	}
	page := int64(os.Getpagesize())
	u := usage("n1", proc, map[int]string{10: "kubelet"})
	if u.Components["kubelet"] != (event.Usage{CPU: time.Second, MemoryBytes: 7 * page}) || u.Pods != (event.Usage{CPU: 2 * time.Second, MemoryBytes: 3 * page}) {
		t.Errorf("usage %+v", u)
	}
}

func TestLastLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	for content, want := range map[string]string{
		"":                                       "",
		"only\n":                                 "only",
		"first\nlast\n\n":                        "last",
		strings.Repeat("x\n", 5000) + "the end":  "the end",
		strings.Repeat("y", 300):                 strings.Repeat("y", 200) + "…",
		"binary \xff\xfe\n":                      "binary ?",
		strings.Repeat("z", 10_000) + "\nlast\n": "last",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := lastLine(file); got != want {
			t.Errorf("the last line of %.20q is %q, want %q", content, got, want)
		}
	}
	if got := lastLine(file + ".absent"); got != "" {
		t.Errorf("the last line of no file is %q", got)
	}
}

func TestLogsAreRotated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dir", "log")
	f, err := openLog(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(logLimit + 1); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err = openLog(file); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the new log is %v, %v", info, err)
	}
	if info, err := os.Stat(file + ".1"); err != nil || info.Size() != logLimit+1 {
		t.Errorf("the old log is %v, %v", info, err)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	if _, err := encode(request{Name: strings.Repeat("x", MaxMessage)}); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("a message that is too long: %v", err)
	}
	if raw, err := encode(request{ID: 7, Verb: verbKill}); err != nil || string(raw) != `{"id":7,"verb":"kill"}` {
		t.Errorf("message %s, %v", raw, err)
	}
}

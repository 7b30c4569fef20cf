package pause

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestBinaryIsSmallStaticELF(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		body, err := Binary(arch)
		if err != nil {
			t.Fatal(err)
		}
		if len(body) > 512 {
			t.Errorf("%s: %d bytes, want at most 512", arch, len(body))
		}
		file, err := elf.NewFile(bytes.NewReader(body))
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		if file.Machine != machine || file.Type != elf.ET_EXEC {
			t.Errorf("%s: machine %v type %v", arch, file.Machine, file.Type)
		}
		load := file.Progs[0]
		if load.Flags != elf.PF_R|elf.PF_X || load.Filesz != uint64(len(body)) {
			t.Errorf("%s: segment %+v does not cover the file read-execute", arch, load.ProgHeader)
		}
		if file.Entry < load.Vaddr || file.Entry >= load.Vaddr+load.Filesz {
			t.Errorf("%s: entry %#x outside the segment", arch, file.Entry)
		}
	}
	if _, err := Binary("riscv64"); err == nil {
		t.Error("an unknown architecture must be refused")
	}
}

// start runs pause in new namespaces as flags say and returns once it sleeps in
// rt_sigtimedwait, which is the only place where it can. The kernel shows the
// signals waited for as not blocked meanwhile.
func start(t *testing.T, flags uintptr) *exec.Cmd {
	t.Helper()
	body, err := Binary(runtime.GOARCH)
	if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "pause")
	if err := os.WriteFile(path, body, 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path)
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	eventually(t, "pause to ignore SIGCHLD and sleep", func() bool {
		return ignored(t, command.Process.Pid)&sigchld != 0 &&
			strings.HasPrefix(procStatus(t, command.Process.Pid)["State"], "S")
	})
	return command
}

const sigchld = 1 << (17 - 1)

// ignored is the set of signals that a process ignores, one bit each.
func ignored(t *testing.T, pid int) uint64 {
	t.Helper()
	set, err := strconv.ParseUint(procStatus(t, pid)["SigIgn"], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func procStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	status := map[string]string{}
	for line := range strings.Lines(string(body)) {
		key, value, _ := strings.Cut(line, ":")
		status[key] = strings.TrimSpace(value)
	}
	return status
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(10 * time.Second)
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}

func TestIgnoresOnlySIGCHLD(t *testing.T) {
	command := start(t, 0)
	if got, want := ignored(t, command.Process.Pid), ignored(t, os.Getpid())|sigchld; got != want {
		t.Errorf("ignored signals %#x, want the inherited ones and SIGCHLD: %#x", got, want)
	}
}

func TestSurvivesStopAndContinue(t *testing.T) {
	command := start(t, 0)
	for _, step := range []struct {
		signal syscall.Signal
		state  string
	}{{syscall.SIGSTOP, "T"}, {syscall.SIGCONT, "S"}, {syscall.SIGCHLD, "S"}} {
		if err := command.Process.Signal(step.signal); err != nil {
			t.Fatal(err)
		}
		eventually(t, step.signal.String(), func() bool {
			return strings.HasPrefix(procStatus(t, command.Process.Pid)["State"], step.state)
		})
	}
}

func TestEndsOnSignals(t *testing.T) {
	endsOnSignals(t, 0, map[syscall.Signal]string{
		syscall.SIGTERM: "exit status 0",
		syscall.SIGINT:  "exit status 0",
		syscall.SIGKILL: "signal: killed",
		syscall.SIGUSR1: "signal: user defined signal 1",
	})
}

func TestEndsOnSignalsAsPID1(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a PID namespace")
	}
	endsOnSignals(t, syscall.CLONE_NEWPID, map[syscall.Signal]string{
		syscall.SIGTERM: "exit status 0",
		syscall.SIGINT:  "exit status 0",
		syscall.SIGKILL: "signal: killed",
	})
}

func endsOnSignals(t *testing.T, flags uintptr, ends map[syscall.Signal]string) {
	t.Helper()
	for signal, want := range ends {
		command := start(t, flags)
		if err := command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		err := command.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := command.ProcessState.String(); got != want {
			t.Errorf("after %v: %s, want %s", signal, got, want)
		}
	}
}

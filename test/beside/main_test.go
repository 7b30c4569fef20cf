package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// output is written by two commands at the same time.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// script is a command that runs shell code.
func script(t *testing.T, code string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return "sh " + file
}

// patient runs until it is interrupted, and then cleans up. It opens a pipe once it is
// ready for that, and waits until somebody reads.
func patient(t *testing.T) (command, pipe string) {
	t.Helper()
	pipe = filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	return script(t, fmt.Sprintf("trap 'echo cleaned up; exit 1' INT; : >%s; while :; do sleep 0.01; done", pipe)), pipe
}

// reads waits for a patient command, and then runs shell code.
func reads(t *testing.T, pipe, code string) string {
	t.Helper()
	return script(t, fmt.Sprintf("read -r _ <%s; %s", pipe, code))
}

func TestRun(t *testing.T) {
	var out output
	// Field 19 of proc(5) stat is the nice value, which this test may be low in itself.
	const nice = "read -r stat </proc/$$/stat; set -- ${stat##*) }; shift 16; echo nice $1"
	own, err := exec.Command("sh", "-c", nice).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), &out, script(t, nice), []string{script(t, nice), script(t, "echo second")}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{string(own), "nice 19\n", "second\n"} {
		if !strings.Contains(out.text.String(), want) {
			t.Errorf("got %q, want %q in it", &out.text, want)
		}
	}
}

func TestOtherFails(t *testing.T) {
	var out output
	first, pipe := patient(t)
	err := run(t.Context(), &out, first, []string{script(t, "echo well"), reads(t, pipe, "echo this is wrong; exit 3"), script(t, "echo never")})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	if said := out.text.String(); !strings.HasSuffix(said, "cleaned up\nthis is wrong\n") || !strings.Contains(said, "well\n") || strings.Contains(said, "never") {
		t.Errorf("said %q", said)
	}
}

func TestFirstFails(t *testing.T) {
	var out output
	other, pipe := patient(t)
	err := run(t.Context(), &out, reads(t, pipe, "echo this is wrong; exit 3"), []string{other, script(t, "echo never")})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || out.text.String() != "this is wrong\n" {
		t.Errorf("got %v, said %q", err, &out.text)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out output
	first, pipe := patient(t)
	done := make(chan error)
	go func() { done <- run(ctx, &out, first, nil) }()
	if _, err := os.ReadFile(pipe); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-done; !errors.Is(err, errInterrupted) || out.text.String() != "cleaned up\n" {
		t.Errorf("got %v, said %q", err, &out.text)
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"

	"github.com/containerd/console"
)

// terminal is the app in a terminal of 120x40, and what it drew.
type terminal struct {
	cmd    *exec.Cmd
	pty    console.Console
	closed chan struct{}
	drawn  atomic.Int64 // bytes
	frames atomic.Int64
}

// Synchronized output (DEC mode 2026): a terminal that says it can do it is told
// where each frame begins, so that frames can be counted.
var (
	asksSync   = []byte("\x1b[?2026$p")
	hasSync    = []byte("\x1b[?2026;2$y")
	beginFrame = []byte("\x1b[?2026h")
)

// openApp opens the app on the lab.
func (w workbench) openApp(ctx context.Context) (*terminal, error) {
	pty, path, err := console.NewPty()
	if err != nil {
		return nil, fmt.Errorf("open a terminal: %w", err)
	}
	t := &terminal{pty: pty, closed: make(chan struct{})}
	if err := pty.Resize(console.WinSize{Width: 120, Height: 40}); err != nil {
		return nil, errors.Join(err, pty.Close())
	}
	tty, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(err, pty.Close())
	}
	t.cmd = w.command(ctx, "attach")
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = tty, tty, tty
	t.cmd.Env = append(os.Environ(), "TERM=xterm-256color", "COLORTERM=truecolor")
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := errors.Join(t.cmd.Start(), tty.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("start the app: %w", err), pty.Close())
	}
	go func() {
		_, _ = io.Copy(t, pty) // ends with an error when the app does
		close(t.closed)
	}()
	return t, nil
}

// Write takes what the app draws.
func (t *terminal) Write(p []byte) (int, error) {
	t.drawn.Add(int64(len(p)))
	// A sequence that two reads part is missed: one frame of thousands.
	t.frames.Add(int64(bytes.Count(p, beginFrame)))
	if bytes.Contains(p, asksSync) {
		if _, err := t.pty.Write(hasSync); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// press types keys.
func (t *terminal) press(keys string) error {
	_, err := io.WriteString(t.pty, keys)
	return err
}

func (t *terminal) pid() int { return t.cmd.Process.Pid }

// close ends the app.
func (t *terminal) close() {
	_ = t.cmd.Process.Kill()
	_ = t.cmd.Wait()
	_ = t.pty.Close()
	<-t.closed
}

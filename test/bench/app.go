package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/containerd/console"
)

// own is what the workbench itself costs beside the components.
type own struct {
	Run int `json:"run"`
	// Shares of one processor, over the window of rest.
	SupervisorCPU float64 `json:"supervisorCPU"`
	AppCPU        float64 `json:"appCPU"`
	// Private memory in bytes.
	SupervisorPrivate int64 `json:"supervisorPrivateBytes"`
	AppPrivate        int64 `json:"appPrivateBytes"`
	// AppDrawn is how many bytes the app sent to the terminal in the window.
	AppDrawn int64 `json:"appDrawnBytes"`
}

// appSettles is how long the app runs before it counts as at rest.
const appSettles = 3 * time.Second

// measureOwn opens the app on the lab, in a terminal of 120x40, and measures it
// and the supervisor while nobody touches it.
func (w workbench) measureOwn(ctx context.Context, supervisor, run int, window time.Duration) (own, error) {
	out := own{Run: run}
	terminal, path, err := console.NewPty()
	if err != nil {
		return out, fmt.Errorf("open a terminal: %w", err)
	}
	defer terminal.Close()
	if err := terminal.Resize(console.WinSize{Width: 120, Height: 40}); err != nil {
		return out, err
	}
	tty, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return out, err
	}
	cmd := w.command(ctx, "attach")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "COLORTERM=truecolor")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := errors.Join(cmd.Start(), tty.Close()); err != nil {
		return out, fmt.Errorf("start the app: %w", err)
	}
	closed := make(chan struct{})
	counter := &counter{}
	go func() {
		_, _ = io.Copy(counter, terminal) // ends with an error when the app does
		close(closed)
	}()
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		<-closed
	}()
	if err := pass(ctx, appSettles); err != nil {
		return out, err
	}
	before, began := counter.load(), time.Now()
	app, err := stat(cmd.Process.Pid)
	if err != nil {
		return out, fmt.Errorf("the app ended: %w", err)
	}
	super, err := stat(supervisor)
	if err != nil {
		return out, err
	}
	if err := pass(ctx, window); err != nil {
		return out, err
	}
	took := float64(time.Since(began))
	appAfter, err := stat(cmd.Process.Pid)
	if err != nil {
		return out, fmt.Errorf("the app ended: %w", err)
	}
	superAfter, err := stat(supervisor)
	if err != nil {
		return out, err
	}
	out.AppCPU, out.SupervisorCPU = float64(appAfter.own-app.own)/took, float64(superAfter.own-super.own)/took
	out.AppDrawn = counter.load() - before
	appMemory, errApp := memory(cmd.Process.Pid)
	superMemory, errSuper := memory(supervisor)
	out.AppPrivate, out.SupervisorPrivate = appMemory.Private, superMemory.Private
	return out, errors.Join(errApp, errSuper)
}

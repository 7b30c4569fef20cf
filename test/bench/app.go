package main

import (
	"context"
	"errors"
	"fmt"
	"time"
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
	t, err := w.openApp(ctx)
	if err != nil {
		return out, err
	}
	defer t.close()
	if err := pass(ctx, appSettles); err != nil {
		return out, err
	}
	before, began := t.drawn.Load(), time.Now()
	app, err := stat(t.pid())
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
	appAfter, err := stat(t.pid())
	if err != nil {
		return out, fmt.Errorf("the app ended: %w", err)
	}
	superAfter, err := stat(supervisor)
	if err != nil {
		return out, err
	}
	out.AppCPU, out.SupervisorCPU = float64(appAfter.own-app.own)/took, float64(superAfter.own-super.own)/took
	out.AppDrawn = t.drawn.Load() - before
	appMemory, errApp := memory(t.pid())
	superMemory, errSuper := memory(supervisor)
	out.AppPrivate, out.SupervisorPrivate = appMemory.Private, superMemory.Private
	return out, errors.Join(errApp, errSuper)
}

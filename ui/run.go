package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/ui/plain"
)

// Run drives the app until the user quits or ctx ends, and says what the user
// wants of the lab. No goroutine of it is left when it returns.
func Run(ctx context.Context, cfg Config) (Quit, error) {
	if err := cfg.validate(); err != nil {
		return Keep, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var owned sync.WaitGroup
	var program *tea.Program
	send := func(msg tea.Msg) { program.Send(msg) }
	out := courier{backend: cfg.Backend, send: send, spawn: func(f func(context.Context)) {
		owned.Go(func() { f(running) })
	}}
	model := newApp(cfg, out)
	options := []tea.ProgramOption{tea.WithContext(ctx), tea.WithFPS(framesPerSecond)}
	if cfg.Input != nil {
		options = append(options, tea.WithInput(cfg.Input))
	}
	if cfg.Output != nil {
		options = append(options, tea.WithOutput(cfg.Output))
	}
	if cfg.Environ != nil {
		options = append(options, tea.WithEnvironment(cfg.Environ))
	}
	program = tea.NewProgram(model, options...)
	model.pace = &pacer{program: program}
	defer model.pace.stop()
	owned.Go(func() { pump(running, cfg.Backend, send) })
	if cfg.Input == nil {
		owned.Go(func() {
			if errors.Is(awaitHangup(running, os.Stdin), errHungUp) {
				program.Kill() // nobody is there to be asked
			}
		})
	}
	_, err := program.Run()
	stop()
	owned.Wait()
	switch {
	case ctx.Err() != nil:
		return Keep, context.Cause(ctx)
	case errors.Is(err, tea.ErrInterrupted), errors.Is(err, tea.ErrProgramKilled):
		return Keep, nil
	case err != nil:
		return Keep, fmt.Errorf("run the app: %w", err)
	}
	return model.quit, nil
}

// Plain prints one readable line per change until ctx ends or the stream breaks:
// for output that is no terminal. It returns nil when ctx ended.
func Plain(ctx context.Context, b Backend, out io.Writer) error {
	world, err := b.World(ctx)
	if err != nil {
		return fmt.Errorf("read the lab's state: %w", err)
	}
	if t := world.Topology; t.Name != "" {
		if _, err := fmt.Fprintf(out, "lab %s  Kubernetes %s  %d nodes  %s\n", t.Name, t.KubernetesVersion, len(t.Nodes), world.Phase); err != nil {
			return fmt.Errorf("print the lab: %w", err)
		}
	}
	following, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w := plain.NewWriter(out, world)
	err = b.Follow(following, world.Seq, func(events []event.Event) {
		if err := w.Write(events); err != nil {
			stop(err)
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	if cause := context.Cause(following); cause != nil {
		return cause
	}
	return err
}

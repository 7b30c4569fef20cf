package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/state"
	"workbench/runtime/memory"
	"workbench/runtime/priority"
	"workbench/ui"
)

func attachCommand(o *options) *cobra.Command {
	f := &upFlags{}
	cmd := &cobra.Command{
		Use: "attach", Short: "Open the app on a lab that runs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, place, err := o.client()
			if err != nil {
				return err
			}
			return attach(cmd.Context(), client, place, f, false)
		},
	}
	cmd.Flags().BoolVar(&f.plain, "plain", false, "print lines in place of the app")
	cmd.Flags().StringVar(&f.theme, "theme", "", "colours of the app; see the palette in the app for all")
	return cmd
}

// backend is the app's view of a supervisor.
type backend struct {
	*api.Client
	place layout.Lab
	self  string
}

func newBackend(client *api.Client, place layout.Lab) (backend, error) {
	self, err := os.Executable()
	if err != nil {
		return backend{}, fmt.Errorf("find the workbench binary: %w", err)
	}
	return backend{Client: client, place: place, self: self}, nil
}

// redraws is how often the app shows samples and heartbeats.
const redraws = time.Second

// Follow implements ui.Backend.
func (b backend) Follow(ctx context.Context, after uint64, emit func([]event.Event)) error {
	return b.FollowPaced(ctx, after, redraws, emit)
}

// Act implements ui.Backend.
func (b backend) Act(ctx context.Context, verb, target string) error {
	switch verb {
	case "fault": // the app has asked before
		_, err := b.Client.Inject(ctx, api.FaultRequest{Text: target, Owner: owner(), Yes: true})
		return err
	case "heal":
		r := api.HealRequest{ID: target}
		if target == "--all" {
			r = api.HealRequest{All: true}
		}
		_, err := b.Client.Heal(ctx, r)
		return err
	}
	return b.Client.Act(ctx, api.Request{Verb: verb, Target: target})
}

// Command implements ui.Backend.
func (b backend) Command(args ...string) *exec.Cmd {
	return exec.Command(b.self, append([]string{"--state-dir", b.place.State, "--name", b.place.Name}, args...)...)
}

// attach shows the lab: in the app on a terminal, as lines elsewhere. own says
// that this command started the lab, so that giving up on the boot ends it.
func attach(ctx context.Context, client *api.Client, place layout.Lab, f *upFlags, own bool) error {
	b, err := newBackend(client, place)
	if err != nil {
		return err
	}
	if !f.detach && !f.plain && term.IsTerminal(int(os.Stdout.Fd())) && term.IsTerminal(int(os.Stdin.Fd())) {
		quit, err := openApp(ctx, ui.Config{Backend: b, Theme: f.theme, NoColor: os.Getenv("NO_COLOR") != ""})
		if err != nil || quit == ui.Keep {
			return err
		}
		return down(ctx, client, place)
	}
	ctx, stop := untilInterrupt(ctx)
	defer stop()
	return lines(ctx, b, f.detach, own)
}

// appGC is GOGC for the app, in percent.
const appGC = 40

// appStarted is when the app has drawn its first frames, on a slow machine too.
const appStarted = 5 * time.Second

// openApp runs the app. One processor is enough for it: with more, the runtime
// wakes threads for each event that one is done with before they run.
func openApp(ctx context.Context, cfg ui.Config) (ui.Quit, error) {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(appGC)
	time.AfterFunc(appStarted, memory.Release)
	_ = priority.Set(priority.Observer) // who may not draws when it is its turn
	return ui.Run(ctx, cfg)
}

// lines prints the lab's changes. With until it ends when the lab runs. An
// interrupt ends a lab that this command is booting.
func lines(ctx context.Context, b backend, until, own bool) error {
	printing, stop := context.WithCancel(ctx)
	defer stop()
	printed := make(chan error, 1)
	go func() { printed <- ui.Plain(printing, b, os.Stdout) }()
	booted := awaitBoot(ctx, b.Client)
	if ctx.Err() != nil {
		stop()
		<-printed
		if own {
			return interrupted(ctx, b.Client, b.place)
		}
		return nil
	}
	if booted != nil || until {
		stop()
		<-printed
		return booted
	}
	select {
	case err := <-printed:
		if ctx.Err() != nil {
			return nil // the lab keeps running
		}
		return ended(err, b)
	case <-ctx.Done():
		<-printed
		return nil
	}
}

// interrupted takes down the lab whose boot the user gave up on.
func interrupted(ctx context.Context, client *api.Client, place layout.Lab) error {
	fmt.Fprintln(os.Stderr, "interrupted while the lab boots: taking it down")
	return errors.Join(errors.New("interrupted"), down(context.WithoutCancel(ctx), client, place))
}

// ended tells an orderly end of the lab from a lost supervisor.
func ended(err error, b backend) error {
	if _, worldErr := b.World(context.Background()); errors.Is(worldErr, api.ErrNotRunning) {
		fmt.Println("the lab is down")
		return nil
	}
	return err
}

// awaitBoot waits until the lab runs, or says why it does not.
func awaitBoot(ctx context.Context, client *api.Client) error {
	world, err := client.World(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if done, err := booted(world); done {
		return err
	}
	err = client.Follow(ctx, world.Seq, func(events []event.Event) {
		for _, e := range events {
			world.Apply(e)
		}
		if done, err := booted(world); done {
			cancel(bootEnd{err})
		}
	})
	var end bootEnd
	if errors.As(context.Cause(ctx), &end) {
		return end.error
	}
	return fmt.Errorf("boot the lab: %w", err)
}

type bootEnd struct{ error }

func (bootEnd) Error() string { return "the boot ended" }

func booted(w *state.World) (bool, error) {
	switch w.Phase {
	case event.Running:
		return true, nil
	case event.Failed, event.Stopping, event.Stopped:
		return true, fmt.Errorf("the lab did not come up: %s %s", w.Phase, w.PhaseDetail)
	}
	return false, nil
}

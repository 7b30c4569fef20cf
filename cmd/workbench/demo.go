package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"workbench/cluster/api"
	"workbench/cluster/demo"
	"workbench/cluster/event"
	"workbench/cluster/layout"
)

type demoFlags struct {
	upFlags
	keep     bool
	replicas int
	output   string
	timeout  time.Duration
}

func demoCommand(o *options) *cobra.Command {
	f := &demoFlags{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show failure recovery unattended, in a lab of its own, and report it with times",
		Long: `Boot a lab of its own, run an application in it and use it all the while; cut
the power of the Raft leader's node and of a worker, bring both back, and report
when each step of the recovery was seen and what users felt. Then the lab is
deleted. The exit code is 0 only if everything recovered.

After a failure the lab is stopped, but its journal and logs are kept until the
next demo.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("name") {
				o.name = "demo"
			}
			return runDemo(cmd, o, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.keep, "keep", false, "leave the lab running at the end, as a lab of yours")
	flags.IntVar(&f.controlPlanes, "control-planes", 3, "number of control planes: 3 or 5")
	flags.IntVar(&f.workers, "workers", 3, "number of workers, 2 to 30")
	flags.IntVar(&f.replicas, "replicas", demo.DefaultReplicas, "replicas of the application")
	flags.StringVarP(&f.output, "output", "o", "text", "the report as text, json or markdown")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Minute, "give up after this time")
	return cmd
}

func (f *demoFlags) validate() error {
	switch {
	case f.output != "text" && f.output != "json" && f.output != "markdown":
		return fmt.Errorf("-o %s: want text, json or markdown", f.output)
	case f.controlPlanes < 3:
		return fmt.Errorf("--control-planes %d: the loss of one is survived by 3 or more", f.controlPlanes)
	case f.workers < 2:
		return fmt.Errorf("--workers %d: the loss of one is survived by 2 or more", f.workers)
	case f.replicas < 2:
		return fmt.Errorf("--replicas %d: want 2 or more", f.replicas)
	}
	return nil
}

// write writes the report in the chosen form.
func (f *demoFlags) write(w io.Writer, r demo.Report) error {
	switch f.output {
	case "json":
		return r.WriteJSON(w)
	case "markdown":
		return r.WriteMarkdown(w)
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return r.WriteText(w)
}

func runDemo(cmd *cobra.Command, o *options, f *demoFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	client, place, err := o.client()
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupt(cmd.Context())
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("not done within %v", f.timeout))
	defer cancel()
	if err := claim(ctx, client, place); err != nil {
		return err
	}
	progress := cmd.ErrOrStderr()
	if f.output == "text" {
		progress = cmd.OutOrStdout()
	}
	report, err := tourLab(ctx, cmd, client, place, f, progress)
	interrupted := cmd.Context().Err() == nil && errors.Is(ctx.Err(), context.Canceled)
	stop() // a second interrupt ends the clean-up
	if len(report.Acts) > 0 {
		err = errors.Join(err, f.write(cmd.OutOrStdout(), report))
	}
	if interrupted {
		err = errors.New("interrupted")
	}
	return errors.Join(err, leave(context.WithoutCancel(ctx), client, place, progress, ending{keep: f.keep && err == nil, purge: err == nil || interrupted}))
}

// tourLab boots the lab and makes the tour of it.
func tourLab(ctx context.Context, cmd *cobra.Command, client *api.Client, place layout.Lab, f *demoFlags, progress io.Writer) (demo.Report, error) {
	fmt.Fprintf(progress, "boot lab %s: %d control planes and %d workers\n", place.Name, f.controlPlanes, f.workers)
	began := time.Now()
	if err := bootLab(cmd, place, &f.upFlags); err != nil {
		return demo.Report{}, err
	}
	if err := narrateBoot(ctx, client, progress); err != nil {
		return demo.Report{}, err
	}
	boot := time.Since(began)
	fmt.Fprintf(progress, "all nodes are Ready after %d ms\n", boot.Milliseconds())
	cfg, err := clientcmd.BuildConfigFromFlags("", place.Kubeconfig())
	if err != nil {
		return demo.Report{}, fmt.Errorf("read the lab's kubeconfig: %w", err)
	}
	report, err := demo.Run(ctx, demo.Config{
		Client: client, REST: cfg, Replicas: f.replicas,
		Say: func(line string) { fmt.Fprintln(progress, line) },
	})
	report.BootMilliseconds = boot.Milliseconds()
	return report, err
}

// narrateBoot waits until the lab runs and says which steps are done.
func narrateBoot(ctx context.Context, client *api.Client, progress io.Writer) error {
	telling, stop := context.WithCancel(ctx)
	told := make(chan struct{})
	titles := map[string]string{}
	go func() {
		defer close(told)
		// Only for people to read: what goes wrong is for awaitBoot to say.
		_ = client.Follow(telling, 0, func(events []event.Event) {
			for _, e := range events {
				switch b := e.Body.(type) {
				case event.StepStarted:
					titles[b.ID] = b.Title
				case event.StepDone:
					fmt.Fprintf(progress, "  %8d ms  %s\n", b.Took.Milliseconds(), titles[b.ID])
				}
			}
		})
	}()
	err := awaitBoot(ctx, client)
	stop()
	<-told
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("boot the lab: %w", context.Cause(ctx))
	}
	return err
}

// marker says that a lab was made by the demo and is not of use to anybody.
func marker(place layout.Lab) string { return filepath.Join(place.Dir(), "demo") }

// claim makes sure that the lab's name is free, and takes it. What an earlier
// demo left is removed; a lab of anybody else is refused.
func claim(ctx context.Context, client *api.Client, place layout.Lab) error {
	_, err := os.Stat(place.Dir())
	if err == nil {
		if _, err := os.Stat(marker(place)); err != nil {
			return fmt.Errorf("lab %s exists and was not made by this command, or was kept with --keep: choose another name with --name, or delete it with: workbench --name %s down --purge",
				place.Name, place.Name)
		}
		if err := down(ctx, client, place); err != nil && !errors.Is(err, api.ErrNotRunning) {
			return fmt.Errorf("stop what an earlier demo left: %w", err)
		}
		if err := discard(ctx, place); err != nil {
			return fmt.Errorf("remove what an earlier demo left: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for lab %s: %w", place.Name, err)
	}
	if err := os.MkdirAll(place.Dir(), 0o700); err != nil {
		return fmt.Errorf("make lab %s: %w", place.Name, err)
	}
	return layout.WriteFile(marker(place), []byte("made by: workbench demo\n"), 0o600)
}

// discard deletes a lab that is down, also one that was never described.
func discard(ctx context.Context, place layout.Lab) error {
	if err := remove(ctx, place); err == nil {
		return nil
	}
	return os.RemoveAll(place.Dir())
}

// ending is what becomes of the lab.
type ending struct {
	keep, purge bool
}

// leave ends the demo's lab, or gives it to the user.
func leave(ctx context.Context, client *api.Client, place layout.Lab, progress io.Writer, e ending) error {
	if e.keep {
		fmt.Fprintf(progress, "lab %s keeps running: workbench --name %s attach\n", place.Name, place.Name)
		return os.Remove(marker(place))
	}
	if err := down(ctx, client, place); err != nil && !errors.Is(err, api.ErrNotRunning) {
		return err
	}
	if e.purge {
		fmt.Fprintf(progress, "lab %s is gone\n", place.Name)
		return discard(ctx, place)
	}
	fmt.Fprintf(progress, "lab %s is stopped; its journal and logs are in %s until the next demo\n", place.Name, place.Dir())
	return nil
}

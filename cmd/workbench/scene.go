package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/member"
	"workbench/cluster/scene"
	"workbench/cluster/state"
	"workbench/cluster/supervisor"
)

func sceneCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "scene", Short: "Keep the whole lab as of now, and bring it back", Args: cobra.NoArgs,
		Long: `Keep the whole lab as of now - etcd's data, nodes with their images and containers,
certificates, faults - and bring it back, as often as wanted.`,
		Example: "  workbench scene save exercise-1\n  workbench scene load exercise-1",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(sceneSaveCommand(o), sceneLoadCommand(o), sceneListCommand(o), sceneRemoveCommand(o))
	return cmd
}

func sceneSaveCommand(o *options) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "save NAME", Short: "Keep the lab as of now; one that runs stands still for a moment", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireRoot(); err != nil {
				return err
			}
			err := operate(cmd, o, api.OperationRequest{Verb: "scene.save", Target: args[0], Yes: yes})
			if !errors.Is(err, api.ErrNotRunning) {
				return err
			}
			place, err := o.place()
			if err != nil {
				return err
			}
			if _, err := place.Load(); err != nil {
				return err
			}
			m, err := supervisor.SaveStopped(supervisor.Config{Place: place, Versions: versions()}, args[0], yes)
			if errors.Is(err, scene.ErrExists) {
				return fmt.Errorf("%w; replace it with --yes", err)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "scene %s: %d nodes, %s copied, %s of images shared by hard links\n", m.Name, len(m.Nodes), member.Bytes(m.Copied), member.Bytes(m.Linked))
			return err
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "replace a scene of that name")
	return cmd
}

func sceneLoadCommand(o *options) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "load NAME", Short: "Bring the lab back to a scene, and boot it", Args: cobra.ExactArgs(1), ValidArgsFunction: completeScenes(o),
		Long: `Bring the lab back to a scene: it is read through, the lab goes down, its data is
replaced, it boots, and the scene's faults begin anew. What the lab did since the
scene was saved is lost; its journal keeps the record of it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireRoot(); err != nil {
				return err
			}
			return loadScene(cmd, o, args[0], yes)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func loadScene(cmd *cobra.Command, o *options, name string, yes bool) error {
	client, place, err := o.client()
	if err != nil {
		return err
	}
	began := time.Now()
	m, err := scene.Open(place, name)
	if err != nil {
		return err
	}
	if err := scene.Verify(place, m); err != nil {
		return fmt.Errorf("%w; the lab is untouched; delete the scene with: workbench scene rm %s", err, name)
	}
	if err := confirm(yes, fmt.Sprintf("Bring lab %s back to %s? What it did since is lost.", place.Name, m.Saved.Local().Format(time.DateTime))); err != nil {
		return err
	}
	out, ctx := cmd.OutOrStdout(), cmd.Context()
	fmt.Fprintf(out, "scene %s of %s is whole: %d files read through in %v\n", name, m.Saved.Local().Format(time.DateTime), len(m.Files), since(began))
	if err := down(ctx, client, place); err != nil && !errors.Is(err, api.ErrNotRunning) {
		return err
	}
	replaced := time.Now()
	if err := supervisor.LoadStopped(supervisor.Config{Place: place, Versions: versions()}, m); err != nil {
		return err
	}
	fmt.Fprintf(out, "the lab is down and its data replaced, in %v\n", since(replaced))
	booted := time.Now()
	if err := errors.Join(spawnSupervisor(place), awaitBoot(ctx, client)); err != nil {
		return err
	}
	faults, err := awaitScene(ctx, client, name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "booted in %v, %s; %v in all\n", since(booted), faults, since(began))
	return err
}

func since(at time.Time) time.Duration { return time.Since(at).Round(10 * time.Millisecond) }

// awaitScene waits until the supervisor has brought back the faults of a scene.
func awaitScene(ctx context.Context, client *api.Client, name string) (string, error) {
	world, err := client.World(ctx)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, verdictTimeout)
	defer cancel()
	if a := sceneBegan(world, name); a != nil {
		return a.Equivalent, refusedFaults(a)
	}
	var found *state.Action
	err = client.Follow(ctx, world.Seq, func(events []event.Event) {
		for _, e := range events {
			world.Apply(e)
		}
		if found = sceneBegan(world, name); found != nil {
			cancel()
		}
	})
	if found == nil {
		return "", fmt.Errorf("wait for the faults of scene %s: %w", name, err)
	}
	return found.Equivalent, refusedFaults(found)
}

func sceneBegan(w *state.World, name string) *state.Action {
	for i, a := range w.Actions {
		if a.Verb == "scene.load" && a.Target == name {
			return &w.Actions[i]
		}
	}
	return nil
}

func refusedFaults(a *state.Action) error {
	if a.Error != "" {
		return fmt.Errorf("the lab runs, but not all faults of scene %s are on: %s", a.Target, a.Error)
	}
	return nil
}

func sceneListCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the lab's scenes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			place, err := o.place()
			if err != nil {
				return err
			}
			return writeScenes(cmd.OutOrStdout(), place)
		},
	}
}

func writeScenes(out io.Writer, place layout.Lab) error {
	all, damaged, err := scene.List(place)
	if err != nil {
		return err
	}
	if len(all)+len(damaged) == 0 {
		_, err := fmt.Fprintf(out, "lab %s has no scene\n", place.Name)
		return err
	}
	tw := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tSAVED\tNODES\tFAULTS\tCOPIED\tSHARED\tKUBERNETES")
	for _, m := range all {
		faults := strings.Join(m.Faults, ", ")
		if faults == "" {
			faults = "-"
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", m.Name, m.Saved.Local().Format(time.DateTime), len(m.Nodes), faults, member.Bytes(m.Copied), member.Bytes(m.Linked), m.Kubernetes)
	}
	for _, name := range damaged {
		fmt.Fprintf(tw, "%s\tdamaged\t-\t-\t-\t-\t-\n", name)
	}
	return tw.Flush()
}

func sceneRemoveCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME", Short: "Delete a scene", Args: cobra.ExactArgs(1), ValidArgsFunction: completeScenes(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			place, err := o.place()
			if err != nil {
				return err
			}
			if err := scene.Remove(place, args[0]); err != nil {
				return err
			}
			if _, err := supervisor.PruneImages(cmd.Context(), place); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "scene %s is deleted\n", args[0])
			return err
		},
	}
}

func completeScenes(o *options) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		place, err := o.place()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, _, err := scene.List(place)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for _, m := range all {
			out = append(out, m.Name)
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

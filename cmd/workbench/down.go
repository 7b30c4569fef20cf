package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"workbench/cluster/api"
	"workbench/cluster/layout"
	"workbench/cluster/supervisor"
	"workbench/runtime/cgroup"
)

func downCommand(o *options) *cobra.Command {
	var purge, yes bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the lab; the next up brings it back",
		Long: `Stop the lab. To its nodes that is like switching the power off: nothing that
was acknowledged is lost, and the next up brings back the same cluster. With
--purge its data is deleted too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, place, err := o.client()
			if err != nil {
				return err
			}
			if purge {
				if err := confirm(yes, fmt.Sprintf("Delete lab %s with all its data in %s?", place.Name, place.Dir())); err != nil {
					return err
				}
			}
			err = down(cmd.Context(), client, place)
			if purge && (err == nil || errors.Is(err, api.ErrNotRunning)) {
				err = remove(cmd.Context(), place)
			}
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "lab %s is down\n", place.Name)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&purge, "purge", false, "delete the lab's data as well")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// down takes the lab down and waits until its supervisor has let go of it.
func down(ctx context.Context, client *api.Client, place layout.Lab) error {
	if err := client.Down(ctx); err != nil {
		return err
	}
	lock, err := os.Open(place.Lock())
	if err != nil {
		return fmt.Errorf("wait for the lab to be down: %w", err)
	}
	defer lock.Close()
	// The supervisor holds it until the last process of the lab is gone.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_SH); err != nil {
		return fmt.Errorf("wait for the lab to be down: %w", err)
	}
	return nil
}

// remove deletes a lab that is down.
func remove(ctx context.Context, place layout.Lab) error {
	if _, err := os.Stat(place.File()); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no lab %s in %s", place.Name, place.State)
	}
	if err := cgroup.RemoveLab(place.Group()); err != nil {
		return err
	}
	if err := os.RemoveAll(place.Dir()); err != nil {
		return fmt.Errorf("delete lab %s: %w", place.Name, err)
	}
	return removeShared(ctx, place)
}

// removeShared deletes what labs share, with the last of them, and before that the
// images that only the lab had. It is made again when it is needed.
func removeShared(ctx context.Context, place layout.Lab) error {
	labs, err := layout.List(place.State)
	if err != nil {
		return err
	}
	if len(labs) > 0 {
		_, err := supervisor.PruneImages(ctx, place)
		return err
	}
	for _, dir := range []string{place.Images(), place.Programs()} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("delete what labs shared: %w", err)
		}
	}
	_ = os.Remove(place.State) // stays where a user keeps other files in it
	return nil
}

// confirm asks on a terminal; elsewhere only --yes answers.
func confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return fmt.Errorf("%s There is no terminal to ask on; answer with --yes", question)
	}
	fmt.Fprintf(os.Stderr, "%s [y/N] ", question)
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("not done")
}

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/containerd/log"
	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/member"
	"workbench/cluster/supervisor"
	"workbench/runtime/image/store"
)

func imageCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "image", Short: "Load images into the lab, list and remove them", Args: cobra.NoArgs,
		Example: "  workbench image load app.tar\n  docker save app | workbench image load -\n  workbench kubectl run app --image=app --image-pull-policy=IfNotPresent",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(imageLoadCommand(o), imageListCommand(o), imageRemoveCommand(o))
	return cmd
}

func imageLoadCommand(o *options) *cobra.Command {
	var tag string
	cmd := &cobra.Command{
		Use: "load FILE | DIR | - | docker:IMAGE", Short: "Give every worker the images of an archive, now and when it starts later", Args: cobra.ExactArgs(1),
		Long: `Give every worker the images of an archive: what docker save writes, or an OCI
layout, as a tar, packed or not, or as a directory. They are stored and unpacked
once for all nodes. Workers that run have them at once, those that start later when
they do. docker:IMAGE asks the Docker daemon of this machine for one of its images.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireRoot(); err != nil {
				return err
			}
			return loadImages(cmd, o, args[0], tag)
		},
	}
	cmd.Flags().StringVar(&tag, "tag", "", "name the image in the archive NAME[:TAG]; needed where it has none")
	return cmd
}

// loadImages reads an archive into the pool, and makes what is in it the lab's.
func loadImages(cmd *cobra.Command, o *options, from, tag string) (err error) {
	place, err := o.place()
	if err != nil {
		return err
	}
	if _, err := place.Load(); err != nil {
		return err
	}
	if err := quietStore(); err != nil {
		return err
	}
	ctx := cmd.Context()
	archive, err := store.OpenArchive(ctx, cmd.InOrStdin(), from)
	if err != nil {
		return fmt.Errorf("load %s: %w", from, err)
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	pool, err := store.OpenPool(place.ImagePool())
	if err != nil {
		return err
	}
	unlock, err := pool.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	found, err := pool.Import(ctx, archive, tag)
	if err != nil {
		return fmt.Errorf("load %s: %w; nothing was loaded", from, err)
	}
	for _, i := range found {
		loaded := i.Loaded(store.SourceName(from))
		err := operate(cmd, o, api.OperationRequest{Verb: "image.load", Target: i.Name, Image: &loaded})
		if errors.Is(err, api.ErrNotRunning) {
			err = loadStopped(cmd.OutOrStdout(), place, loaded)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// quietStore keeps containerd's content store from warning of what file systems
// cannot do.
func quietStore() error { return log.SetLevel("error") }

func loadStopped(out io.Writer, place layout.Lab, i event.ImageLoaded) error {
	if err := supervisor.LoadImageStopped(place, i); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s: %s, %s stored once; lab %s does not run: its workers get it when it does\n", i.Name, i.Digest, member.Bytes(i.Bytes), place.Name)
	return err
}

func imageRemoveCommand(o *options) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "rm IMAGE", Short: "Remove an image from the lab and from its workers", Args: cobra.ExactArgs(1), ValidArgsFunction: completeImages(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireRoot(); err != nil {
				return err
			}
			err := operate(cmd, o, api.OperationRequest{Verb: "image.rm", Target: args[0], Yes: force})
			if !errors.Is(err, api.ErrNotRunning) {
				return err
			}
			place, err := o.place()
			if err != nil {
				return err
			}
			return removeStopped(place, args[0])
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also one that pods use")
	return cmd
}

// removeStopped refuses to remove an image from a lab that does not run: it is in
// its nodes' databases.
func removeStopped(place layout.Lab, name string) error {
	name, err := store.Normalise(name)
	if err != nil {
		return err
	}
	if _, err := place.Load(); err != nil {
		return err
	}
	return fmt.Errorf("remove %s: lab %s does not run, and the image is on its nodes' disks; boot it first: workbench up", name, place.Name)
}

// completeImages completes the images that were loaded.
func completeImages(o *options) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		place, err := o.place()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		loaded, err := place.LoadedImages()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for _, i := range loaded {
			out = append(out, i.Name)
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"workbench/cluster/bundle"
	"workbench/cluster/layout"
	"workbench/cluster/member"
	"workbench/cluster/scene"
)

func bundleCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "bundle", Short: "Put all that a class needs into one file, and make a lab of it elsewhere", Args: cobra.NoArgs,
		Long: `Put a lab's file, the images that were loaded into it, its scenes, scenario files
and recordings into one file, and make a lab of that on another machine. Everything
in it is checked by digest.`,
		Example: "  workbench bundle save class.wbb --scenario exercise-1.yaml\n  workbench bundle load class.wbb",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(bundleSaveCommand(o), bundleLoadCommand(o))
	return cmd
}

func bundleSaveCommand(o *options) *cobra.Command {
	var c bundle.Contents
	var noScenes, yes bool
	cmd := &cobra.Command{
		Use: "save FILE", Short: "Save the lab's file, images and scenes, and files that are named", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireRoot(); err != nil {
				return err
			}
			place, err := o.place()
			if err != nil {
				return err
			}
			if _, err := os.Stat(args[0]); err == nil && !yes {
				return fmt.Errorf("%s exists; replace it with --yes", args[0])
			}
			c.Kubernetes = versions().Kubernetes
			if !noScenes {
				if c.Scenes, err = sceneNames(place); err != nil {
					return err
				}
			}
			return saveBundle(cmd, place, args[0], c)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&c.Scenarios, "scenario", nil, "a scenario file to take along; may be given several times")
	flags.StringArrayVar(&c.Recordings, "recording", nil, "a recording to take along; may be given several times")
	flags.BoolVar(&noScenes, "no-scenes", false, "leave the lab's scenes out")
	flags.BoolVarP(&yes, "yes", "y", false, "replace a file that exists")
	return cmd
}

func sceneNames(place layout.Lab) ([]string, error) {
	all, damaged, err := scene.List(place)
	if err != nil {
		return nil, err
	}
	if len(damaged) > 0 {
		return nil, fmt.Errorf("scene %s is damaged; delete it with: workbench scene rm %[1]s; or leave all out with --no-scenes", damaged[0])
	}
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
	}
	return names, nil
}

func saveBundle(cmd *cobra.Command, place layout.Lab, file string, c bundle.Contents) error {
	if err := quietStore(); err != nil {
		return err
	}
	for _, files := range [][]string{c.Scenarios, c.Recordings} {
		for _, f := range files {
			if info, err := os.Stat(f); err != nil {
				return err
			} else if !info.Mode().IsRegular() {
				return fmt.Errorf("%s is no file", f)
			}
		}
	}
	index, err := bundle.Save(cmd.Context(), place, file, c)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	return writeBundle(cmd.OutOrStdout(), fmt.Sprintf("%s: %s, lab %s", file, member.Bytes(info.Size()), index.Lab), index)
}

// writeBundle says what is in a bundle.
func writeBundle(out io.Writer, head string, index bundle.Index) error {
	fmt.Fprintln(out, head)
	var images []string
	for _, i := range index.Images {
		images = append(images, i.Name)
	}
	for _, part := range []struct {
		what  string
		names []string
	}{{"images", images}, {"scenes", index.Scenes}, {"scenarios", index.Scenarios}, {"recordings", index.Recordings}} {
		names := "none"
		if len(part.names) > 0 {
			names = strings.Join(part.names, ", ")
		}
		if _, err := fmt.Fprintf(out, "  %-10s  %s\n", part.what, names); err != nil {
			return err
		}
	}
	return nil
}

func bundleLoadCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "load FILE", Short: "Make a lab of a bundle: the one it was saved of, which must not exist", Args: cobra.ExactArgs(1),
		Long: `Make a lab of a bundle: the one it was saved of, by the same name, which must not
exist. All of it is extracted and checked beside the labs first; a bundle that is
damaged leaves nothing.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := requireRoot(); err != nil {
				return err
			}
			if err := quietStore(); err != nil {
				return err
			}
			place, err := o.place()
			if err != nil {
				return err
			}
			index, err := bundle.Load(cmd.Context(), place.State, args[0])
			if err != nil {
				return err
			}
			place.Name = index.Lab
			if err := writeBundle(cmd.OutOrStdout(), fmt.Sprintf("lab %s is there; boot it with: workbench --name %[1]s up", index.Lab), index); err != nil {
				return err
			}
			for dir, names := range map[string][]string{"scenarios": index.Scenarios, "recordings": index.Recordings} {
				if len(names) > 0 {
					fmt.Fprintf(cmd.OutOrStdout(), "%s are in %s\n", dir, filepath.Join(place.Dir(), dir))
				}
			}
			return nil
		},
	}
}

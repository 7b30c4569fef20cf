package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/member"
	"workbench/cluster/supervisor"
	"workbench/runtime/image/store"
)

func imageListCommand(o *options) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list [IMAGE]", Aliases: []string{"ls"}, Short: "List the images of the lab, and which workers have them", Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeImages(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("-o %s: want json", output)
			}
			list, err := images(cmd, o, args)
			if err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(cmd.OutOrStdout(), list)
			}
			return writeImages(cmd.OutOrStdout(), list)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for all that is known of them")
	return cmd
}

// images are those of the lab, or the one that is named.
func images(cmd *cobra.Command, o *options, args []string) (api.ImageList, error) {
	client, place, err := o.client()
	if err != nil {
		return api.ImageList{}, err
	}
	list, err := client.Images(cmd.Context())
	if errors.Is(err, api.ErrNotRunning) {
		if list, err = supervisor.StoppedImages(place); err == nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "lab %s does not run; these were loaded into it\n", place.Name)
		}
	}
	if err != nil || len(args) == 0 {
		return list, err
	}
	name, err := store.Normalise(args[0])
	if err != nil {
		return list, err
	}
	list.Images = slices.DeleteFunc(list.Images, func(i api.Image) bool { return i.Name != name })
	if len(list.Images) == 0 {
		return list, fmt.Errorf("no image %s in lab %s; see: workbench image list", name, place.Name)
	}
	return list, nil
}

func writeImages(out io.Writer, list api.ImageList) error {
	tw := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "IMAGE\tDIGEST\tSIZE\tLAYERS\tSHARED\tFROM\tNODES")
	for _, i := range list.Images {
		_, short, _ := strings.Cut(i.Digest, ":")
		layers, shared := "-", "-" // no node was asked
		if i.Layers > 0 {
			layers, shared = fmt.Sprint(i.Layers), fmt.Sprint(i.Shared)
		}
		fmt.Fprintf(tw, "%s\t%.12s\t%s\t%s\t%s\t%s\t%s\n", i.Name, short, member.Bytes(i.Bytes), layers, shared, i.From, list.Where(i))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, node := range slices.Sorted(maps.Keys(list.Unasked)) {
		if _, err := fmt.Fprintf(out, "%s cannot be asked: %s\n", node, list.Unasked[node]); err != nil {
			return err
		}
	}
	return nil
}

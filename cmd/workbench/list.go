package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/layout"
)

// listed is one lab as `list -o json` prints it.
type listed struct {
	Name          string `json:"name"`
	Phase         string `json:"phase"`
	ControlPlanes int    `json:"controlPlanes"`
	Workers       int    `json:"workers"`
	API           string `json:"api"`
}

func listCommand(o *options) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the labs of this machine, running or not", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("-o %s: want json", output)
			}
			labs, err := listLabs(cmd, o)
			if err != nil {
				return err
			}
			if output == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(labs)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(tw, "NAME\tPHASE\tCONTROL PLANES\tWORKERS\tAPI")
			for _, l := range labs {
				fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%s\n", l.Name, l.Phase, l.ControlPlanes, l.Workers, l.API)
			}
			return tw.Flush()
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json")
	return cmd
}

func listLabs(cmd *cobra.Command, o *options) ([]listed, error) {
	place, err := o.place()
	if err != nil {
		return nil, err
	}
	names, err := layout.List(place.State)
	if err != nil {
		return nil, err
	}
	labs := []listed{}
	for _, name := range names {
		one := layout.Lab{State: place.State, Name: name}
		saved, err := one.Load()
		if err != nil {
			return nil, err
		}
		planes, workers := saved.Lab.Counts()
		l := listed{
			Name: name, Phase: "stopped", API: fmt.Sprintf("https://127.0.0.1:%d", saved.APIPort),
			ControlPlanes: planes, Workers: workers,
		}
		switch world, err := api.NewClient(one.Socket()).World(cmd.Context()); {
		case err == nil:
			l.Phase = string(world.Phase)
		case !errors.Is(err, api.ErrNotRunning):
			l.Phase = "unreachable: " + err.Error()
		}
		labs = append(labs, l)
	}
	return labs, nil
}

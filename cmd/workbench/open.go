package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
)

func openCommand(o *options) *cobra.Command {
	var r api.ForwardRequest
	var list, end bool
	cmd := &cobra.Command{
		Use:   "open svc/NAME",
		Short: "Reach a Service from this machine, on a port of its loopback",
		Long: "Reach a Service from this machine: a TCP port on 127.0.0.1 leads to it until the lab\ngoes down or the port is closed. " +
			"It survives the loss of pods and nodes.",
		Example: "  workbench open svc/web\n  workbench open -n kube-system svc/kube-dns --port 9153\n  workbench open --list",
		Args:    cobra.MaximumNArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return services(cmd, o, r.Namespace), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := o.client()
			if err != nil {
				return err
			}
			if list {
				return listForwards(cmd, client)
			}
			if len(args) == 0 {
				return errors.New("which Service? for example: workbench open svc/web; or --list")
			}
			if r.Service, err = serviceName(args[0]); err != nil {
				return err
			}
			if end {
				closed, err := client.CloseForward(cmd.Context(), r)
				for _, f := range closed {
					fmt.Fprintf(cmd.OutOrStdout(), "%s is closed\n", f.URL())
				}
				return err
			}
			f, err := client.Open(cmd.Context(), r)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), f.URL())
			return err
		},
	}
	cmd.Flags().StringVarP(&r.Namespace, "namespace", "n", "default", "namespace of the Service")
	cmd.Flags().IntVar(&r.Port, "port", 0, "port of the Service (default: its first TCP port)")
	cmd.Flags().IntVar(&r.Local, "local-port", 0, "port on 127.0.0.1 (default: a free one)")
	cmd.Flags().BoolVar(&list, "list", false, "list what is open")
	cmd.Flags().BoolVar(&end, "close", false, "close it")
	return cmd
}

// serviceName takes svc/NAME, service/NAME and NAME.
func serviceName(arg string) (string, error) {
	kind, name, slash := strings.Cut(arg, "/")
	switch {
	case !slash && kind != "":
		return kind, nil
	case slash && name != "" && (kind == "svc" || kind == "service" || kind == "services"):
		return name, nil
	}
	return "", fmt.Errorf("%q: want svc/NAME", arg)
}

func listForwards(cmd *cobra.Command, client *api.Client) error {
	open, err := client.OpenForwards(cmd.Context())
	if err != nil {
		return err
	}
	if len(open) == 0 {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "nothing is open")
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAMESPACE\tSERVICE\tPORT\tURL")
	for _, f := range open {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", f.Namespace, f.Service, f.Port, f.URL())
	}
	return w.Flush()
}

// services are what can be opened, for completion.
func services(cmd *cobra.Command, o *options, namespace string) []string {
	var out []string
	for _, s := range o.completing(cmd.Context()).Kube.Services {
		if s.Namespace == namespace {
			out = append(out, "svc/"+s.Name)
		}
	}
	return out
}

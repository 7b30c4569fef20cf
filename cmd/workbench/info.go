package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"workbench/cluster/kubeconfig"
	"workbench/cluster/layout"
	"workbench/cluster/plan"
	"workbench/cluster/spec"
)

// versions are those of the linked libraries.
func versions() plan.Versions {
	return plan.Versions{
		Kubernetes: moduleVersion("k8s.io/kubernetes"),
		Etcd:       moduleVersion("go.etcd.io/etcd/server/v3"),
		Containerd: moduleVersion("github.com/containerd/containerd/v2"),
	}
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}

func versionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "version", Short: "Print the versions of the workbench and of what it runs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions()
			if output == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{
					"kubernetes": v.Kubernetes, "etcd": v.Etcd, "containerd": v.Containerd, "go": runtime.Version(),
				})
			}
			if output != "" {
				return fmt.Errorf("-o %s: want json", output)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "kubernetes %s\netcd       %s\ncontainerd %s\ngo         %s\n", v.Kubernetes, v.Etcd, v.Containerd, runtime.Version())
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json")
	return cmd
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of lab files, for editors", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(spec.Schema())
			return err
		},
	}
}

func planCommand(o *options) *cobra.Command {
	f := &upFlags{}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Print what up would do: nodes, files, arguments, steps",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := nameFromFile(cmd, o, f); err != nil {
				return err
			}
			place, err := o.place()
			if err != nil {
				return err
			}
			base, _, err := newLab(cmd.Context())
			if err != nil {
				return err
			}
			port := f.apiPort
			switch saved, err := place.Load(); {
			case err == nil:
				base, port = saved.Lab, saved.APIPort
			case !errors.Is(err, fs.ErrNotExist):
				return err
			}
			lab, err := wantedLab(cmd, place, f, base)
			if err != nil {
				return err
			}
			p, err := plan.New(plan.Config{Lab: lab, APIPort: port, Versions: versions(), CPUs: runtime.NumCPU()})
			if err != nil {
				return err
			}
			return p.WriteText(cmd.OutOrStdout())
		},
	}
	f.register(cmd)
	return cmd
}

func kubeconfigCommand(o *options) *cobra.Command {
	var merge, remove, use bool
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the lab's kubeconfig, or merge it into yours",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			place, err := o.place()
			if err != nil {
				return err
			}
			switch {
			case merge && remove:
				return errors.New("--merge and --remove exclude each other")
			case use && !merge:
				return errors.New("--use goes with --merge")
			case remove:
				return editKubeconfig(cmd, func(ctx context.Context, path string) (string, error) {
					return "removed " + kubeconfig.Name(place.Name) + " from", kubeconfig.Remove(ctx, path, kubeconfig.Name(place.Name))
				})
			}
			raw, err := readKubeconfig(place)
			if err != nil {
				return err
			}
			if !merge {
				_, err := cmd.OutOrStdout().Write(raw)
				return err
			}
			return editKubeconfig(cmd, func(ctx context.Context, path string) (string, error) {
				return "merged context " + kubeconfig.Name(place.Name) + " into", kubeconfig.Merge(ctx, path, raw, kubeconfig.Options{Use: use})
			})
		},
	}
	cmd.Flags().BoolVar(&merge, "merge", false, "add the lab to your kubeconfig")
	cmd.Flags().BoolVar(&remove, "remove", false, "take the lab out of your kubeconfig")
	cmd.Flags().BoolVar(&use, "use", false, "with --merge: make it the current context")
	return cmd
}

func readKubeconfig(place layout.Lab) ([]byte, error) {
	raw, err := kubeconfig.Read(place.Kubeconfig())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no lab %s; start it with: workbench up", place.Name)
	}
	return raw, err
}

func editKubeconfig(cmd *cobra.Command, edit func(context.Context, string) (string, error)) error {
	path, err := kubeconfig.Path()
	if err != nil {
		return err
	}
	what, err := edit(cmd.Context(), path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(what), path)
	return err
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"workbench/cluster/doctor"
	"workbench/cluster/layout"
	"workbench/cluster/spec"
)

func doctorCommand(o *options) *cobra.Command {
	var fix, quiet bool
	var output, file string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what this machine lacks for a lab, and mend it",
		Long: `Check kernel features, limits, memory and packages. What is missing is named,
with why it is needed and the command that mends it; --fix does it: it installs
packages, raises kernel limits until the next reboot, and removes what dead labs left.
With -f the checks are those for the lab of a lab file, before it is booted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("-o %s: want json", output)
			}
			place, err := o.place()
			if err != nil {
				return err
			}
			var lab spec.Lab
			if file != "" {
				if lab, err = loadLab(cmd, file); err != nil {
					return err
				}
			} else if saved, err := place.Load(); err == nil {
				lab = saved.Lab
			}
			options := doctor.Options{StateDir: place.State, Lab: lab, AnyProxy: file != "" && !lab.NamesProxyMode()}
			checks, err := examine(cmd, options, fix)
			if err != nil {
				return err
			}
			if output == "json" {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(checks)
			} else {
				err = printChecks(cmd, checks, quiet)
			}
			if err == nil && doctor.Worst(checks) == doctor.Fail {
				err = errors.New("this machine cannot run a lab yet")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "mend what can be mended")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "say nothing of what is well")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json")
	cmd.Flags().StringVarP(&file, "file", "f", "", "lab file to check for (YAML; - for standard input)")
	return cmd
}

// examine makes the checks, after mending where that is asked for.
func examine(cmd *cobra.Command, options doctor.Options, fix bool) ([]doctor.Check, error) {
	checks, err := doctor.Run(cmd.Context(), options)
	if err != nil || !fix {
		return checks, err
	}
	changes, err := doctor.Fix(cmd.Context(), checks, cmd.ErrOrStderr())
	for _, c := range changes {
		if c.Error == "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "mended %s: %s\n", c.Check, c.Done)
		}
	}
	if err != nil {
		return nil, err
	}
	if len(changes) == 0 {
		return checks, nil
	}
	return doctor.Run(cmd.Context(), options)
}

func printChecks(cmd *cobra.Command, checks []doctor.Check, quiet bool) error {
	if quiet {
		checks = slices.DeleteFunc(slices.Clone(checks), func(c doctor.Check) bool { return c.Status == doctor.OK })
		if len(checks) == 0 {
			return nil
		}
	}
	return doctor.Print(cmd.OutOrStdout(), checks, !utf8Terminal())
}

// utf8Terminal follows the locale, as locale(7) orders its variables.
func utf8Terminal() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToUpper(v)
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	return false
}

// preflight refuses to boot on a machine that cannot run the lab, with what to
// do, before anything is started.
func preflight(ctx context.Context, place layout.Lab, lab spec.Lab) error {
	checks, err := doctor.Run(ctx, doctor.Options{StateDir: place.State, Lab: lab})
	if err != nil {
		return err
	}
	var missing []string
	for _, c := range checks {
		if c.Status == doctor.Fail {
			missing = append(missing, fmt.Sprintf("%s: %s; fix: %s", c.Name, c.Found, c.Fix))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("this machine cannot run the lab:\n  %s\n`workbench doctor` tells why, `workbench doctor --fix` mends what it can", strings.Join(missing, "\n  "))
	}
	return nil
}

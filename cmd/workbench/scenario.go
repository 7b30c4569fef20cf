package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"workbench/cluster/layout"
	"workbench/cluster/scenario"
	"workbench/cluster/scenario/runner"
	"workbench/runtime/programs"
)

func scenarioCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "scenario", Short: "Break the lab by a script that says what is expected to follow", Args: cobra.NoArgs,
		Long: "Scenarios are files of steps: faults, changes of workloads, and expectations of what\nfollows. Ten are built in; docs/scenarios.md tells how to write more.",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(scenarioRunCommand(o), stopCommand(o, "scenario"), scenarioListCommand(), scenarioShowCommand(), scenarioValidateCommand(), scenarioSchemaCommand())
	return cmd
}

func scenarioNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return scenario.Names(), cobra.ShellCompDirectiveDefault
}

func scenarioRunCommand(o *options) *cobra.Command {
	var yes bool
	var how schedule
	cmd := &cobra.Command{
		Use: "run NAME|FILE", Short: "Run a scenario; the exit code is 0 only if all expectations held", Args: cobra.ExactArgs(1),
		Long:              "Run a scenario. Whatever happens, also after ctrl+c, its faults are healed and what it\napplied is deleted. The exit code is 0 only if every step could be done, every expectation\nheld, and the lab was whole again.",
		ValidArgsFunction: scenarioNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := scenario.Find(args[0])
			if err != nil {
				return err
			}
			if faults := s.Faults(); len(faults) > 0 {
				if err := confirm(yes, fmt.Sprintf("%s breaks lab %s: %s. Run it?", s.Metadata.Name, o.name, strings.Join(faults, "; "))); err != nil {
					return err
				}
			}
			return runScenario(cmd, o, s, how)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&how.keep, "keep", false, "leave what it applied")
	cmd.Flags().DurationVar(&how.every, "every", 0, "run it again, so long after the last run began, until one fails or ctrl+c")
	cmd.Flags().IntVar(&how.times, "times", 0, "with --every: how often; 0 is no limit")
	return cmd
}

// schedule is how often a scenario is run.
type schedule struct {
	every time.Duration
	times int
	keep  bool
}

func (s schedule) validate() error {
	switch {
	case s.every < 0:
		return fmt.Errorf("--every %v: want a positive time", s.every)
	case s.times < 0 || s.times > 0 && s.every == 0:
		return fmt.Errorf("--times %d: it goes with --every, such as --every 5m --times 3", s.times)
	}
	return nil
}

// run calls once by the schedule until it fails or ctx ends.
func (s schedule) run(ctx context.Context, once func() error) error {
	for n := 1; ; n++ {
		next := time.NewTimer(s.every)
		if err := once(); err != nil || s.every == 0 || n == s.times {
			next.Stop()
			return err
		}
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return nil // between runs nothing is broken
		}
	}
}

func runScenario(cmd *cobra.Command, o *options, s scenario.Scenario, how schedule) error {
	if err := how.validate(); err != nil {
		return err
	}
	client, place, err := o.client()
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupt(cmd.Context())
	defer stop()
	out := cmd.OutOrStdout()
	return how.run(ctx, func() error {
		return runner.Run(ctx, runner.Config{
			Scenario: s, Source: client, Lab: client, Kubectl: kubectlOf(place), Owner: owner(), Keep: how.keep,
			Say: func(line string) { fmt.Fprintln(out, line) },
		})
	})
}

// kubectlOf runs the embedded kubectl as a child, pointed at a lab.
func kubectlOf(place layout.Lab) func(ctx context.Context, stdin string, args ...string) error {
	return func(ctx context.Context, stdin string, args ...string) error {
		file, err := toolOf(place, programs.Kubectl)
		if err != nil {
			return err
		}
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, file, args...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+place.Kubeconfig())
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &said, &said
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ctrl+c is for this process to act on
		cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, time.Second
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
		}
		return nil
	}
}

func scenarioListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the scenarios that are built in", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := scenario.Builtin()
			if err != nil {
				return err
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(tw, "NAME\tNEEDS\tWHAT HAPPENS")
			for _, s := range all {
				fmt.Fprintf(tw, "%s\t%d+%d\t%s\n", s.Metadata.Name, s.Spec.Needs.ControlPlanes, s.Spec.Needs.Workers, s.Metadata.Title)
			}
			return tw.Flush()
		},
	}
}

func scenarioShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Print a scenario's file, to read or to start from", Args: cobra.ExactArgs(1), ValidArgsFunction: scenarioNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := scenario.Source(args[0])
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(raw)
			return err
		},
	}
}

func scenarioValidateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate NAME|FILE…", Short: "Say what is wrong with files, by line", Args: cobra.MinimumNArgs(1), ValidArgsFunction: scenarioNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				s, err := scenario.Find(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d steps, for %d control planes and %d workers or more\n", s.Metadata.Name, len(s.Spec.Steps), s.Spec.Needs.ControlPlanes, s.Spec.Needs.Workers)
			}
			return nil
		},
	}
}

func scenarioSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of scenario files, for editors", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(scenario.Schema())
			return err
		},
	}
}

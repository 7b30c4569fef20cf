package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"workbench/cluster/tracing"
	"workbench/runtime/programs"
	"workbench/ui/plain"
)

// errExit ends the program with a code; what there was to say has been said.
type errExit int

// Error implements error.
func (e errExit) Error() string { return fmt.Sprint("exit code ", int(e)) }

func traceCommand(o *options) *cobra.Command {
	var (
		timeout time.Duration
		output  string
		all     bool
	)
	cmd := &cobra.Command{
		Use:   "trace [flags] -- COMMAND …",
		Short: "Run a command and show where its time went, until its pods are Ready",
		Long: `Run a command, such as kubectl apply -f x.yaml, and show as a waterfall where its time
went: the requests that it made, what kube-apiserver and etcd did for each, what controllers,
the scheduler, kubelets and containerd made of it, until all pods that came of it are Ready.

kubectl is the embedded one; any program that reads KUBECONFIG is traced as well. The exit
code is the command's.`,
		Example: "  workbench trace -- kubectl create deployment web --image=workbench.local/demo:1 --replicas=2",
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("-o %s: want json", output)
			}
			client, place, err := o.client()
			if err != nil {
				return err
			}
			kubectl, err := toolOf(place, programs.Kubectl)
			if err != nil {
				return err
			}
			// While the command runs a signal is its own matter; afterwards it ends the wait.
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			cfg := tracing.Config{
				Client: client, Kubeconfig: place.Kubeconfig(), Args: args, Kubectl: kubectl, Timeout: timeout,
				Stdin: os.Stdin, Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr(),
			}
			if output == "json" {
				cfg.Stdout = cmd.ErrOrStderr() // what is written is the trace alone
			}
			r, err := tracing.Run(ctx, cfg)
			if err != nil {
				return err
			}
			if err := showTrace(cmd.OutOrStdout(), r, output, all); err != nil {
				return err
			}
			return traceExit(ctx, r)
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the command is its own
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for pods, after the command")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for the bars as data")
	cmd.Flags().BoolVar(&all, "all", false, "show the shortest spans too")
	return cmd
}

// traceExit is the command's code; where that is 0 and its pods are not Ready, 1.
func traceExit(ctx context.Context, r tracing.Result) error {
	switch {
	case r.Exit != 0:
		return errExit(r.Exit)
	case r.Trace.End.Cause == "timeout":
		return fmt.Errorf("trace: not ready in time: %s", strings.Join(r.Progress.Waiting, ", "))
	case ctx.Err() != nil:
		return errExit(130)
	}
	return nil
}

func showTrace(out io.Writer, r tracing.Result, output string, all bool) error {
	t := r.Trace
	if output == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(t)
	}
	width := 140
	if f, ok := out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = max(w, 80)
		}
	}
	bars, hidden := t.Bars, 0
	if !all {
		from, to := plain.Extent(bars)
		bars, hidden = plain.Hide(bars, max(time.Millisecond, to.Sub(from)/500))
	}
	fmt.Fprintf(out, "\ntrace %s  %s  exit %d after %s  %d of %d pods Ready  %s\n", t.ID[:min(8, len(t.ID))], t.Command, t.End.Exit, plain.Span(t.End.Ran), r.Progress.Ready, r.Progress.Pods, t.End.Cause)
	for _, line := range plain.Waterfall(bars, width) {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out, plain.Legend)
	if hidden > 0 {
		fmt.Fprintf(out, "%d shorter spans are not shown; see them with --all\n", hidden)
	}
	if t.Dropped > 0 {
		fmt.Fprintf(out, "%d spans had no room and are lost\n", t.Dropped)
	}
	return nil
}

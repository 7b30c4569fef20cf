package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/state"
)

func faultCommand(o *options) *cobra.Command {
	var f faultFlags
	cmd := &cobra.Command{
		Use:   "fault KIND TARGET…",
		Short: "Break something on purpose: cut, slow down, kill, freeze",
		Long: "Break something on purpose. A fault lasts for its lease (" + fault.DefaultLease.String() + " unless --for says otherwise) or until it is\n" +
			"healed, is verified to have landed, and composes with every other. A and B are\nnodes; names may be lists (w1,w2) and patterns ('w*'); \"outside\" is the host.\n\n" + fault.Grammar(),
		Example: "  workbench fault cut c1 c2\n  workbench fault delay w1 80ms --jitter 20ms\n  workbench fault partition c1/c2,c3 --for 30s\n  workbench fault kill c1/etcd",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return inject(cmd, o, f.text(cmd, args), f.yes)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, last string) ([]string, cobra.ShellCompDirective) {
			return completeFault(cmd, o, args, last), cobra.ShellCompDirectiveNoFileComp
		},
	}
	f.register(cmd)
	cmd.AddCommand(faultListCommand(o), faultShowCommand(o))
	return cmd
}

// faultFlags are the flags of the grammar, as the command line has them.
type faultFlags struct {
	lease, jitter, leave string
	oneWay, yes          bool
}

func (f *faultFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.lease, "for", fault.DefaultLease.String(), "how long it lasts unless it is healed before; or: ever")
	cmd.Flags().StringVar(&f.jitter, "jitter", "", "with delay: at most this much more or less")
	cmd.Flags().StringVar(&f.leave, "leave", "", "with disk-full: what is left free, such as 50Mi")
	cmd.Flags().BoolVar(&f.oneWay, "one-way", false, "only packets from the first to the second; the same as A->B")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask before something dangerous")
}

// text is the fault as one text in the grammar.
func (f *faultFlags) text(cmd *cobra.Command, args []string) string {
	words := append([]string{}, args...)
	if f.oneWay && len(args) > 2 {
		words = append([]string{args[0], args[1] + "->" + args[2]}, args[3:]...)
	}
	if f.jitter != "" {
		words = append(words, "--jitter", f.jitter)
	}
	if f.leave != "" {
		words = append(words, "--leave", f.leave)
	}
	if cmd.Flags().Changed("for") {
		words = append(words, "--for", f.lease)
	}
	return strings.Join(words, " ")
}

func completeFault(cmd *cobra.Command, o *options, args []string, last string) []string {
	lab := fault.Lab{}
	if client, _, err := o.client(); err == nil {
		if w, err := client.World(cmd.Context()); err == nil {
			lab = fault.Lab{Nodes: w.Topology.Nodes, Pods: podKeys(w)}
		}
	}
	head := strings.Join(append(append([]string{}, args...), ""), " ")
	var out []string
	for _, text := range fault.Complete(head+last, lab) {
		out = append(out, strings.TrimPrefix(text, head))
	}
	return out
}

func podKeys(w *state.World) []string {
	var keys []string
	for key := range w.Kube.Pods {
		keys = append(keys, key)
	}
	return keys
}

// inject asks for a fault, confirms its dangers, and waits for the verdict.
func inject(cmd *cobra.Command, o *options, text string, yes bool) error {
	client, _, err := o.client()
	if err != nil {
		return err
	}
	world, err := client.World(cmd.Context())
	if err != nil {
		return err
	}
	req := api.FaultRequest{Text: text, Owner: owner(), Yes: yes}
	f, err := client.Inject(cmd.Context(), req)
	var danger *api.Danger
	if errors.As(err, &danger) {
		if err := confirm(false, fmt.Sprintf("%s: %s. Do it?", danger.Text, strings.Join(danger.Reasons, "; "))); err != nil {
			return err
		}
		req.Yes = true
		f, err = client.Inject(cmd.Context(), req)
	}
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	if _, err := fmt.Fprintf(w, "%s  %s  %s\n", f.ID, f.Text, leaseText(f)); err != nil {
		return err
	}
	return awaitVerdict(cmd.Context(), client, world.Seq, f, w)
}

func leaseText(f event.FaultInjected) string {
	kind, _ := fault.KindOf(f.Kind)
	switch {
	case kind.Once:
		return "once"
	case f.Lease == 0:
		return "until it is healed"
	}
	return "for " + f.Lease.String()
}

// verdictTimeout bounds how long a verdict may take: a drain takes its time.
const verdictTimeout = 90 * time.Second

// awaitVerdict prints what the supervisor found of a fault.
func awaitVerdict(ctx context.Context, client *api.Client, after uint64, f event.FaultInjected, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, verdictTimeout)
	defer cancel()
	var verdict *event.FaultVerified
	var ended *event.FaultEnded
	err := client.Follow(ctx, after, func(events []event.Event) {
		for _, e := range events {
			switch b := e.Body.(type) {
			case event.FaultVerified:
				if b.ID == f.ID && verdict == nil {
					verdict = &b
					cancel()
				}
			case event.FaultEnded:
				if b.ID == f.ID && verdict == nil && ended == nil {
					ended = &b
					cancel()
				}
			}
		}
	})
	switch {
	case verdict != nil:
		fmt.Fprintf(out, "%s\n", verdict.Verdict)
		for _, line := range verdict.Evidence {
			fmt.Fprintf(out, "  %s\n", line)
		}
		if verdict.Verdict == event.FaultMismatch {
			return fmt.Errorf("%s did not land as asked; undo it with: workbench heal %s", f.ID, f.ID)
		}
		return nil
	case ended != nil:
		fmt.Fprintf(out, "ended: %s\n", ended.Cause)
		return nil
	}
	return fmt.Errorf("wait for the verdict on %s: %w", f.ID, err)
}

// owner is who runs this command.
func owner() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprint(os.Getuid())
}

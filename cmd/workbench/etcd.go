package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/supervisor"
)

func etcdCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "etcd", Short: "Operate etcd: members, leadership, compaction, snapshots, and why", Args: cobra.NoArgs,
		Long: `Operate etcd as its administrator does. Each command says what it does and why,
and which command of etcdctl does the same. What costs something asks first.`,
		Example: "  workbench etcd status\n  workbench etcd move-leader c2\n  workbench etcd snapshot save before.db\n  workbench etcd restore before.db",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, v := range []struct{ name, short string }{
		{"members", "List who belongs to the cluster, who votes and who is up"},
		{"status", "Show term, log, revision and database of every member"},
	} {
		cmd.AddCommand(&cobra.Command{Use: v.name, Short: v.short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return operate(cmd, o, api.OperationRequest{Verb: "etcd." + v.name})
		}})
	}
	cmd.AddCommand(moveLeaderCommand(o), defragCommand(o), compactCommand(o), snapshotCommand(o), restoreCommand(o))
	for _, v := range []struct {
		name, short string
		asks        bool
	}{
		{"add-learner", "Give a control plane whose member was removed a new one, without a vote", false},
		{"promote", "Give a learner its vote", false},
		{"remove", "Take a control plane's member out of the cluster", true},
	} {
		r := api.OperationRequest{Verb: "etcd." + v.name}
		sub := &cobra.Command{Use: v.name + " NODE", Short: v.short, Args: cobra.ExactArgs(1), ValidArgsFunction: completeMembers(o),
			RunE: func(cmd *cobra.Command, args []string) error {
				r.Target = args[0]
				return operate(cmd, o, r)
			}}
		if v.asks {
			sub.Flags().BoolVarP(&r.Yes, "yes", "y", false, "do not ask")
		}
		cmd.AddCommand(sub)
	}
	return cmd
}

func moveLeaderCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "move-leader [NODE]", Short: "Let the leader hand over to another member: the one with most of the log, or NODE",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeMembers(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			return operate(cmd, o, api.OperationRequest{Verb: "etcd.move-leader", Target: strings.Join(args, "")})
		},
	}
}

func defragCommand(o *options) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "defrag NODE | --all", Short: "Give the free space in a member's database back to the disk",
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeMembers(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return errors.New("defragment which member? Name its node, or give --all")
			}
			return operate(cmd, o, api.OperationRequest{Verb: "etcd.defrag", Target: strings.Join(args, "")})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all members that are up, one after the other, the leader last")
	return cmd
}

func compactCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "compact [REVISION]", Short: "Forget older values of keys: before the newest revision, or before REVISION",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := api.OperationRequest{Verb: "etcd.compact"}
			if len(args) > 0 {
				rev, err := strconv.ParseInt(args[0], 10, 64)
				if err != nil || rev <= 0 {
					return fmt.Errorf("compact %s: want a revision, such as 1200; see: workbench etcd status", args[0])
				}
				r.Revision = rev
			}
			return operate(cmd, o, r)
		},
	}
}

func snapshotCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{Use: "snapshot", Short: "Save all that etcd holds to a file", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	r := api.OperationRequest{Verb: "etcd.snapshot"}
	save := &cobra.Command{
		Use: "save FILE", Short: "Save all that etcd holds, as of one revision", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if r.File, err = filepath.Abs(args[0]); err != nil {
				return err
			}
			return operate(cmd, o, r)
		},
	}
	save.Flags().BoolVarP(&r.Yes, "yes", "y", false, "replace a file that exists")
	cmd.AddCommand(save)
	return cmd
}

func restoreCommand(o *options) *cobra.Command {
	r := api.OperationRequest{Verb: "etcd.restore"}
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Begin a new etcd cluster with the data of a snapshot, as after a loss of the quorum",
		Long: `Begin a new etcd cluster, of all control planes, with the data of a snapshot. It
needs no member to be up, so it is the way back after the loss of a quorum. What
was written after the snapshot is lost. A lab that does not run is restored on disk.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if r.File, err = filepath.Abs(args[0]); err != nil {
				return err
			}
			err = operate(cmd, o, r)
			if !errors.Is(err, api.ErrNotRunning) {
				return err
			}
			place, err := o.place()
			if err != nil {
				return err
			}
			if _, err := place.Load(); err != nil {
				return err
			}
			if err := confirm(r.Yes, fmt.Sprintf("Lab %s does not run. What it wrote after the snapshot is lost. Restore it on disk?", place.Name)); err != nil {
				return err
			}
			return supervisor.RestoreStopped(place, versions(), r.File, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVarP(&r.Yes, "yes", "y", false, "do not ask")
	return cmd
}

// operate asks for an operation, confirms its dangers, and prints what it does.
func operate(cmd *cobra.Command, o *options, r api.OperationRequest) error {
	client, _, err := o.client()
	if err != nil {
		return err
	}
	say := func(text string) { fmt.Fprintln(cmd.OutOrStdout(), text) }
	err = client.Operate(cmd.Context(), r, say)
	var danger *api.Danger
	if errors.As(err, &danger) {
		if err := confirm(false, fmt.Sprintf("%s: %s. Do it?", danger.Text, strings.Join(danger.Reasons, "; "))); err != nil {
			return err
		}
		r.Yes = true
		err = client.Operate(cmd.Context(), r, say)
	}
	return err
}

// completeMembers completes the nodes with an etcd member.
func completeMembers(o *options) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		client, _, err := o.client()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		w, err := client.World(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for _, n := range w.Topology.Nodes {
			if n.Role == event.ControlPlane {
				out = append(out, n.Name)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

package component

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	apiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-base/cli"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	basecompatibility "k8s.io/component-base/compatibility"
	"k8s.io/component-base/featuregate"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/term"
	"k8s.io/component-base/version/verflag"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	"workbench/cluster/observe/schedule"
	"workbench/cluster/observe/tap"
)

func schedulerMain(args []string) int {
	cmd := schedulerCommand(tap.Inherited())
	cmd.SetArgs(args)
	return cli.Run(cmd)
}

// schedulerCommand is upstream's command (NewSchedulerCommand in
// cmd/kube-scheduler/app/server.go) with the recorder between Setup and Run.
// Upstream keeps the options to itself, so the flags are put together here.
func schedulerCommand(pipe *tap.Pipe) *cobra.Command {
	opts := options.NewOptions()
	upstream := scheduler.NewSchedulerCommand()
	cmd := &cobra.Command{
		Use: upstream.Use, Long: upstream.Long, Args: upstream.Args,
		PersistentPreRunE: func(*cobra.Command, []string) error { return opts.ComponentGlobalsRegistry.Set() },
		RunE:              func(cmd *cobra.Command, _ []string) error { return runScheduler(cmd, opts, pipe) },
	}
	flags := opts.Flags
	verflag.AddFlags(flags.FlagSet("global"))
	globalflag.AddGlobalFlags(flags.FlagSet("global"), cmd.Name(), logs.SkipLoggingConfigurationFlags())
	for _, set := range flags.FlagSets {
		cmd.Flags().AddFlagSet(set)
	}
	columns, _, _ := term.TerminalSize(cmd.OutOrStdout())
	cliflag.SetUsageAndHelpFunc(cmd, *flags, columns)
	return cmd
}

// runScheduler mirrors runCommand in cmd/kube-scheduler/app/server.go.
func runScheduler(cmd *cobra.Command, opts *options.Options, pipe *tap.Pipe) error {
	verflag.PrintAndExitIfRequested()
	gates := opts.ComponentGlobalsRegistry.FeatureGateFor(basecompatibility.DefaultKubeComponent)
	if err := logsapi.ValidateAndApply(opts.Logs, gates); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n", err)
		os.Exit(1) // as upstream does, before anything runs
	}
	cliflag.PrintFlags(cmd.Flags())
	if opts.InformerName == nil {
		name, err := cache.NewInformerName("kube-scheduler")
		if err != nil {
			return err
		}
		opts.InformerName = name
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-apiserver.SetupSignalHandler()
		cancel()
	}()
	config, sched, err := scheduler.Setup(ctx, opts)
	if err != nil {
		return err
	}
	if mutable, ok := gates.(featuregate.MutableFeatureGate); ok {
		mutable.AddMetrics()
	}
	opts.ComponentGlobalsRegistry.AddMetrics()

	node, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("name the scheduler's node: %w", err)
	}
	recorder := schedule.Attach(node, sched, pipe.Emit)
	recording := make(chan struct{})
	go func() { defer close(recording); recorder.Run(ctx) }()
	err = scheduler.Run(ctx, config, sched)
	cancel()
	<-recording
	return err
}

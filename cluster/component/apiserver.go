package component

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/flagz"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-base/cli"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	basecompatibility "k8s.io/component-base/compatibility"
	"k8s.io/component-base/featuregate"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/term"
	utilversion "k8s.io/component-base/version"
	"k8s.io/component-base/version/verflag"
	"k8s.io/klog/v2"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"workbench/cluster/observe/audit"
	"workbench/cluster/observe/span"
	"workbench/cluster/observe/tap"
	runtimenode "workbench/runtime/node"
)

func apiserverMain(args []string) int {
	cmd := apiserverCommand()
	cmd.SetArgs(args)
	return cli.Run(cmd)
}

// untapped is a flag that help does not list: it leaves the tap out, which is
// how its cost is measured.
const untapped = "workbench-untapped"

// apiserverCommand mirrors NewAPIServerCommand of
// k8s.io/kubernetes/cmd/kube-apiserver/app/server.go, whose options cannot be
// reached from outside: the same flags, the same order of steps, and in run the
// one place where the tap goes in.
func apiserverCommand() *cobra.Command {
	s := options.NewServerRunOptions()
	ctx := genericapiserver.SetupSignalContext()
	globals := s.GenericServerRunOptions.ComponentGlobalsRegistry
	gates := globals.FeatureGateFor(basecompatibility.DefaultKubeComponent)
	cmd := &cobra.Command{
		Use: "kube-apiserver",
		Long: `The Kubernetes API server validates and configures data
for the api objects which include pods, services, replicationcontrollers, and
others. The API Server services REST operations and provides the frontend to the
cluster's shared state through which all other components interact.`,
		SilenceUsage: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if err := globals.Set(); err != nil {
				return err
			}
			// The loopback client should not log warnings that it caused.
			rest.SetDefaultWarningHandler(rest.NoWarnings{})
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			verflag.PrintAndExitIfRequested()
			if err := logsapi.ValidateAndApply(s.Logs, gates); err != nil {
				return err
			}
			cliflag.PrintFlags(cmd.Flags())
			completed, err := s.Complete(ctx)
			if err != nil {
				return err
			}
			if errs := completed.Validate(); len(errs) != 0 {
				return utilerrors.NewAggregate(errs)
			}
			gates.(featuregate.MutableFeatureGate).AddMetrics()
			globals.AddMetrics()
			bare, err := cmd.Flags().GetBool(untapped)
			if err != nil {
				return err
			}
			return runAPIServer(ctx, completed, !bare)
		},
		Args: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				if len(arg) > 0 {
					return fmt.Errorf("%q does not take any arguments, got %q", cmd.CommandPath(), args)
				}
			}
			return nil
		},
	}
	cmd.SetContext(ctx)

	flags := cmd.Flags()
	named := s.Flags()
	s.Flagz = flagz.NamedFlagSetsReader{FlagSets: named}
	verflag.AddFlags(named.FlagSet("global"))
	globalflag.AddGlobalFlags(named.FlagSet("global"), cmd.Name(), logs.SkipLoggingConfigurationFlags())
	for _, f := range named.FlagSets {
		flags.AddFlagSet(f)
	}
	flags.Bool(untapped, false, "run without the workbench's audit sink")
	columns, _, _ := term.TerminalSize(cmd.OutOrStdout())
	cliflag.SetUsageAndHelpFunc(cmd, named, columns)
	return cmd
}

// runAPIServer mirrors Run of the same file.
func runAPIServer(ctx context.Context, opts options.CompletedOptions, tapped bool) error {
	klog.Infof("Version: %+v", utilversion.Get())
	klog.InfoS("Golang settings", "GOGC", os.Getenv("GOGC"), "GOMAXPROCS", os.Getenv("GOMAXPROCS"), "GOTRACEBACK", os.Getenv("GOTRACEBACK"))
	if opts.InformerName == nil {
		name, err := cache.NewInformerName("kube-apiserver")
		if err != nil {
			return err
		}
		opts.InformerName = name
	}
	config, err := apiserver.NewConfig(opts)
	if err != nil {
		return err
	}
	if tapped {
		if err := tapAPIServer(config); err != nil {
			return err
		}
	}
	completed, err := config.Complete()
	if err != nil {
		return err
	}
	server, err := apiserver.CreateServerChain(completed)
	if err != nil {
		return err
	}
	prepared, err := server.PrepareRun()
	if err != nil {
		return err
	}
	return prepared.Run(ctx)
}

// noAudit is a file in whose presence a kube-apiserver starts without the audit
// sink, so that a benchmark can tell what that costs.
const noAudit = "/etc/workbench/no-audit"

// tapAPIServer puts the audit sink into all three servers of the chain. The
// outermost runs it and shuts it down.
func tapAPIServer(config *apiserver.Config) error {
	if _, err := os.Stat(noAudit); err == nil {
		return nil
	}
	node, err := os.Hostname()
	if err != nil {
		return errors.Join(errors.New("name the node of the audit sink"), err)
	}
	pipe := tap.Inherited()
	if err := span.Serve(&span.Sink{Node: node, Component: "kube-apiserver", Emit: pipe.Emit}, runtimenode.SpanSocket("kube-apiserver")); err != nil {
		fmt.Fprintf(os.Stderr, "kube-apiserver: %v\n", err) // it runs untraced
	}
	sink := audit.NewSink(node, pipe)
	audit.Install(sink, config.KubeAPIs.ControlPlane.Generic, &config.ApiExtensions.GenericConfig.Config, &config.Aggregator.GenericConfig.Config)
	return nil
}

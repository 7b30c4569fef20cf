package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapiserver "k8s.io/apiserver/pkg/server"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/apis/config/validation"
	"k8s.io/kubernetes/pkg/kubelet/eviction"
	"k8s.io/kubernetes/pkg/kubelet/kubeletconfig/configfiles"
	utilfs "k8s.io/kubernetes/pkg/util/filesystem"
)

// command is the kubelet whose spans the provider records. It mirrors RunE of
// NewKubeletCommand of k8s.io/kubernetes/cmd/kubelet/app/server.go, whose
// dependencies cannot be reached from outside, for a kubelet that has a
// configuration file; any other runs as upstream's own command, untraced.
func command(ctx context.Context, args []string, provider trace.TracerProvider) *cobra.Command {
	if provider == nil || !mirrored(args) {
		cmd := app.NewKubeletCommand(ctx)
		cmd.SetArgs(args)
		return cmd
	}
	cmd := &cobra.Command{
		Use: Role, DisableFlagParsing: true, SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error { return run(ctx, args, provider) },
	}
	cmd.SetArgs(args)
	return cmd
}

// mirrored says whether run does all that upstream would do with the arguments.
func mirrored(args []string) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(args, func(a string) bool {
			flag, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
			return flag == name && strings.HasPrefix(a, "-")
		})
	}
	return has("config") && !has("config-dir") && !has("version") && !has("help") && !has("h")
}

func run(ctx context.Context, args []string, provider trace.TracerProvider) error {
	flags := options.NewKubeletFlags()
	unset, err := options.NewKubeletConfiguration()
	if err != nil {
		return err
	}
	set := pflag.NewFlagSet(Role, pflag.ContinueOnError)
	set.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	flags.AddFlags(set)
	options.AddKubeletConfigFlags(set, unset)
	options.AddGlobalFlags(set)
	if err := set.Parse(args); err != nil {
		return fmt.Errorf("failed to parse kubelet flag: %w", err)
	}
	if rest := set.Args(); len(rest) > 0 {
		return fmt.Errorf("unknown command %+s", rest[0])
	}
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(unset.FeatureGates); err != nil {
		return fmt.Errorf("failed to set feature gates from initial flags-based config: %w", err)
	}
	if err := options.ValidateKubeletFlags(flags); err != nil {
		return fmt.Errorf("failed to validate kubelet flags: %w", err)
	}
	config, err := load(ctx, flags.KubeletConfigFile, args)
	if err != nil {
		return err
	}
	logs.InitLogs()
	if err := logsapi.ValidateAndApplyAsField(&config.Logging, utilfeature.DefaultFeatureGate, field.NewPath("logging")); err != nil {
		return fmt.Errorf("initialize logging: %w", err)
	}
	cliflag.PrintFlags(set)
	if err := validation.ValidateKubeletConfiguration(config, utilfeature.DefaultFeatureGate); err != nil {
		return fmt.Errorf("failed to validate kubelet configuration: %w", err)
	}
	server := &options.KubeletServer{KubeletFlags: *flags, KubeletConfiguration: *config}
	deps, err := app.UnsecuredDependencies(ctx, server, utilfeature.DefaultFeatureGate)
	if err != nil {
		return fmt.Errorf("failed to construct kubelet dependencies: %w", err)
	}
	if config.Tracing == nil { // a user's own tracing stays as configured
		deps.TracerProvider = provider
	}
	ctx = genericapiserver.SetupSignalContext()
	utilfeature.DefaultMutableFeatureGate.AddMetrics()
	return app.Run(ctx, server, deps, utilfeature.DefaultFeatureGate)
}

// load reads the configuration file; flags win over it. It mirrors loadConfigFile
// and kubeletConfigFlagPrecedence.
func load(ctx context.Context, file string, args []string) (*kubeletconfig.KubeletConfiguration, error) {
	if file == "" {
		return nil, errors.New("no kubelet config file")
	}
	loader, err := configfiles.NewFsLoader(&utilfs.DefaultFs{}, file)
	if err != nil {
		return nil, fmt.Errorf("failed to load kubelet config file %s: %w", file, err)
	}
	config, err := loader.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("failed to load kubelet config file %s: %w", file, err)
	}
	switch {
	case config.EvictionHard == nil:
		config.EvictionHard = eviction.DefaultEvictionHard
	case config.MergeDefaultEvictionSettings:
		for k, v := range eviction.DefaultEvictionHard {
			if _, exists := config.EvictionHard[k]; !exists {
				config.EvictionHard[k] = v
			}
		}
	}
	global := pflag.NewFlagSet("", pflag.ContinueOnError)
	global.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	options.AddGlobalFlags(global)
	again := pflag.NewFlagSet("", pflag.ContinueOnError)
	again.SetNormalizeFunc(global.GetNormalizeFunc())
	global.VisitAll(func(f *pflag.Flag) { again.VarP(cliflag.NoOp{}, f.Name, f.Shorthand, f.Usage) })
	options.NewKubeletFlags().AddFlags(again)
	options.AddKubeletConfigFlags(again, config)
	again.SetOutput(io.Discard)
	gates := config.FeatureGates
	if err := again.Parse(args); err != nil {
		return nil, err
	}
	for k, v := range gates {
		if _, ok := config.FeatureGates[k]; !ok {
			config.FeatureGates[k] = v
		}
	}
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(config.FeatureGates); err != nil {
		return nil, fmt.Errorf("failed to set feature gates: %w", err)
	}
	return config, nil
}

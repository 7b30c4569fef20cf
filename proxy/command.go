package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	proxyconfig "k8s.io/kubernetes/pkg/proxy/apis/config"
	"k8s.io/kubernetes/pkg/proxy/apis/config/scheme"

	"workbench/proxy/rules"
)

// asksForUserspace says that the configuration file of kube-proxy's arguments
// has the mode userspace. What is wrong with it upstream's command tells.
func asksForUserspace(args []string) bool {
	for i, arg := range args {
		file, ok := strings.CutPrefix(arg, "--config=")
		if arg == "--config" && i+1 < len(args) {
			file, ok = args[i+1], true
		}
		if ok {
			cfg, err := configuration(file)
			return err == nil && cfg.Mode == rules.Userspace
		}
	}
	return false
}

// configuration reads a KubeProxyConfiguration, with upstream's defaults.
func configuration(file string) (*proxyconfig.KubeProxyConfiguration, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read kube-proxy's configuration: %w", err)
	}
	object, err := runtime.Decode(scheme.Codecs.UniversalDecoder(), raw)
	if err != nil {
		return nil, fmt.Errorf("read kube-proxy's configuration %s: %w", file, err)
	}
	cfg, ok := object.(*proxyconfig.KubeProxyConfiguration)
	if !ok {
		return nil, fmt.Errorf("read kube-proxy's configuration %s: it is a %T", file, object)
	}
	return cfg, nil
}

// userspaceCommand mirrors NewProxyCommand of
// k8s.io/kubernetes/cmd/kube-proxy/app/server.go, whose options cannot be
// reached from outside, for a mode that upstream does not have.
func userspaceCommand() *cobra.Command {
	file, logging := "", logsapi.NewLoggingConfiguration()
	cmd := &cobra.Command{
		Use: Role, Long: "The network proxy of a node, which carries the connections to Services itself.", Args: cobra.NoArgs, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := configuration(file)
			if err != nil {
				return err
			}
			if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(cfg.FeatureGates); err != nil {
				return err
			}
			logs.InitLogs()
			if err := logsapi.ValidateAndApplyAsField(logging, utilfeature.DefaultFeatureGate, field.NewPath("logging")); err != nil {
				return err
			}
			utilfeature.DefaultMutableFeatureGate.AddMetrics()
			if err := serve(context.Background(), cfg); err != nil {
				return err
			}
			return errors.New("kube-proxy ended by itself")
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "The path to the configuration file.")
	logsapi.AddFlags(logging, cmd.Flags())
	return cmd
}

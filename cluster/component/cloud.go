package component

import (
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/util/wait"
	cloudprovider "k8s.io/cloud-provider"
	"k8s.io/cloud-provider/app"
	"k8s.io/cloud-provider/app/config"
	"k8s.io/cloud-provider/names"
	"k8s.io/cloud-provider/options"
	"k8s.io/component-base/cli"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/klog/v2"

	"workbench/cluster/cloud/provider"
)

// cloudControllerManagerMain mirrors k8s.io/cloud-provider/sample/basic_main.go.
func cloudControllerManagerMain(args []string) int {
	opts, err := options.NewCloudControllerManagerOptions()
	if err != nil {
		fmt.Fprintf(os.Stderr, "cloud-controller-manager: %v\n", err)
		return 1
	}
	// Nobody calls its webhooks, so it has none to serve.
	opts.WebhookServing = nil
	cmd := app.NewCloudControllerManagerCommand(opts, openCloud, app.DefaultInitFuncConstructors, names.CCMControllerAliases(),
		cliflag.NamedFlagSets{}, wait.NeverStop)
	cmd.SetArgs(args)
	return cli.Run(cmd)
}

// openCloud ends the process when there is no cloud, as upstream's sample does:
// the signature has no room for an error.
func openCloud(cfg *config.CompletedConfig) cloudprovider.Interface {
	cloud, err := provider.Open(cfg.ComponentConfig.KubeCloudShared.CloudProvider.CloudConfigFile)
	if err != nil {
		klog.ErrorS(err, "No cloud")
		klog.FlushAndExit(klog.ExitFlushTimeout, 1)
	}
	return cloud
}

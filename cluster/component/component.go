// Package component holds the entry points of Kubernetes' control plane:
// upstream's own commands, run unmodified, each in a process of its own, with
// taps where upstream leaves a hook. Arguments come from package plan.
package component

import (
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // build information metric
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	metricsserver "sigs.k8s.io/metrics-server/cmd/metrics-server/app"

	"workbench/runtime/role"
)

// Roles are the control plane's components by name, and metrics-server, which runs
// in a pod.
func Roles() map[string]role.Main {
	return map[string]role.Main{
		"cloud-controller-manager": cloudControllerManagerMain,
		"kube-apiserver":           apiserverMain,
		"kube-controller-manager":  controllerManagerMain,
		"kube-scheduler":           schedulerMain,
		"metrics-server":           metricsServerMain,
	}
}

func controllerManagerMain(args []string) int {
	cmd := controllermanager.NewControllerManagerCommand()
	cmd.SetArgs(args)
	return cli.Run(cmd)
}

func metricsServerMain(args []string) int {
	cmd := metricsserver.NewMetricsServerCommand(genericapiserver.SetupSignalHandler())
	cmd.SetArgs(args)
	return cli.Run(cmd)
}

// Package kubelet is the entry point of the real kubelet.
package kubelet

import (
	"context"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // build information metric
	"k8s.io/kubernetes/cmd/kubelet/app"
)

// Role is the kubelet's name as argv[0] and as a component of a node.
const Role = "kubelet"

// Main runs the kubelet with upstream's flags and returns its exit code.
func Main(args []string) int {
	cmd := app.NewKubeletCommand(context.Background())
	cmd.SetArgs(args)
	return cli.Run(cmd)
}

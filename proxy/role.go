// Package proxy is the entry point of the real kube-proxy and, in time, the
// model of the rules it writes.
package proxy

import (
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // build information metric
	"k8s.io/kubernetes/cmd/kube-proxy/app"
)

// Role is kube-proxy's name as argv[0] and as a component of a node.
const Role = "kube-proxy"

// Main runs kube-proxy with upstream's flags and returns its exit code.
func Main(args []string) int {
	cmd := app.NewProxyCommand()
	cmd.SetArgs(args)
	return cli.Run(cmd)
}

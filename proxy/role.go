// Package proxy is the entry point of kube-proxy: of the real one, which writes
// rules for a packet filter, and of one that carries connections itself, for
// where there is none. Both are upstream's ProxyServer; the second has a
// proxier of ours.
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

// Main runs kube-proxy with upstream's flags and returns its exit code. In the
// mode userspace of its configuration it takes the flags --config and of logs.
func Main(args []string) int {
	cmd := app.NewProxyCommand()
	if asksForUserspace(args) {
		cmd = userspaceCommand()
	}
	cmd.SetArgs(args)
	return cli.Run(cmd)
}

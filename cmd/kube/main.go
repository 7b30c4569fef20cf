// Command kube is the components of Kubernetes, each under its own name as
// argv[0]: those of the control plane, those of a node, and metrics-server.
// Nodes have it under these names; the workbench carries it.
package main

import (
	"os"

	"workbench/cluster/component"
	"workbench/proxy"
	"workbench/runtime/kubelet"
	"workbench/runtime/role"
)

func main() {
	roles := component.Roles()
	roles[kubelet.Role] = kubelet.Main
	roles[proxy.Role] = proxy.Main
	os.Exit(role.Run(roles))
}

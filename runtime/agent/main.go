// Command agent is the small program that runs in a lab beside the real
// components: init of the lab, init of each node, the API balancer of workers,
// and what eats a container's memory. It is separate from the workbench binary,
// and embedded in it, so that a node's init costs 2 MB of memory and not the
// 20 MB that linking all of Kubernetes costs every process.
package main

import (
	"os"

	"workbench/runtime/balancer"
	"workbench/runtime/cgroup"
	"workbench/runtime/namespace"
	"workbench/runtime/node"
	"workbench/runtime/role"
)

func main() {
	os.Exit(role.Run(map[string]role.Main{
		namespace.LabInitRole:  role.Of(func([]string) error { return namespace.LabInit() }),
		namespace.NodeInitRole: role.Of(func([]string) error { return node.Init() }),
		cgroup.EaterRole:       role.Of(func([]string) error { return cgroup.Eat() }),
		balancer.Role:          role.Of(balancer.Main),
	}))
}

// Command agent is the small program that runs in a lab beside the real
// components: init of the lab, init of each node, the API balancer of workers,
// and what eats a container's memory. It is separate from the workbench binary,
// and embedded in it, so that a node's init costs 2 MB of memory and not the
// 20 MB that linking all of Kubernetes costs every process.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"workbench/runtime/balancer"
	"workbench/runtime/cgroup"
	"workbench/runtime/namespace"
	"workbench/runtime/node"
)

// The main goroutine keeps the main thread, so that namespaces entered by
// other threads never leak into it and node.Init can fork from it.
func init() { runtime.LockOSThread() }

func main() {
	roles := map[string]func() error{
		namespace.LabInitRole:  namespace.LabInit,
		namespace.NodeInitRole: node.Init,
		cgroup.EaterRole:       cgroup.Eat,
		balancer.Role:          func() error { return balancer.Main(os.Args[1:]) },
	}
	name := filepath.Base(os.Args[0])
	role, ok := roles[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "agent: %q is no role of it; the workbench starts it\n", name)
		os.Exit(2)
	}
	if err := role(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

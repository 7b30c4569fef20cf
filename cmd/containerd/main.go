// Command containerd is the container runtime of a node, with taps; the
// workbench carries it.
package main

import (
	"os"

	"workbench/runtime/containerd"
	"workbench/runtime/role"
)

func main() { os.Exit(role.Run(map[string]role.Main{containerd.Role: containerd.Main})) }

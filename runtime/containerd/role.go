// Package containerd is the entry point of the real containerd.
package containerd

import (
	"context"
	"fmt"
	"os"

	_ "github.com/containerd/containerd/v2/cmd/containerd/builtins" // its plugins
	"github.com/containerd/containerd/v2/cmd/containerd/command"
)

// Role is containerd's name as argv[0] and as a component of a node.
const Role = "containerd"

// Main runs containerd with upstream's flags and returns its exit code.
func Main(args []string) int {
	if err := command.App().Run(context.Background(), append([]string{Role}, args...)); err != nil {
		fmt.Fprintf(os.Stderr, "containerd: %v\n", err)
		return 1
	}
	return 0
}

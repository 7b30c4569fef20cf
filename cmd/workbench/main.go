// Command workbench boots a real multi-node Kubernetes cluster on one machine
// and shows what happens inside it.
//
// It is the command line, the app and the supervisor of a lab; the programs that
// run in a lab are others, which it carries (package programs).
package main

import (
	"fmt"
	"os"
	"runtime"
)

// The main goroutine keeps the main thread: no goroutine that entered another
// namespace on a thread of its own can ever end up on it.
func init() { runtime.LockOSThread() }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	err := execute(args)
	if err == nil {
		return 0
	}
	if code, ok := exitCode(err); ok {
		return code
	}
	fmt.Fprintf(os.Stderr, "workbench: %v\n", err)
	return 1
}

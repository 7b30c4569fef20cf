// Package role runs the programs that are several components in one: each is
// started under the name of the component that it shall be.
package role

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"workbench/runtime/memory"
)

// Main is the main function of a component; it returns the exit code.
type Main func(args []string) int

// Of is a component that says why it failed.
func Of(run func(args []string) error) Main {
	return func(args []string) int {
		if err := run(args); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
			return 1
		}
		return 0
	}
}

// The main goroutine keeps the main thread: no goroutine that entered another
// namespace on a thread of its own can ever end up on it.
func init() { runtime.LockOSThread() }

// Run is the component that the program was started as, and returns its exit
// code: 2 if the program has no such component.
func Run(roles map[string]Main) int {
	name := filepath.Base(os.Args[0])
	main, ok := roles[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s: no component of this program; link to it as one of: %s\n", name, strings.Join(names(roles), ", "))
		return 2
	}
	memory.Keep(start(name))
	return main(os.Args[1:])
}

// start is how a component starts: those that hold the cluster keep much.
func start(name string) memory.Start {
	if name == "kube-apiserver" || name == "etcd" {
		return memory.Dense
	}
	return memory.Quick
}

func names(roles map[string]Main) []string {
	var out []string
	for name := range roles {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

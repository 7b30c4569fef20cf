// Command workbench boots a real multi-node Kubernetes cluster on one machine
// and shows what happens inside it.
//
// It is one binary with many roles: started under the name of a component, such
// as kube-apiserver, it is that component.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"workbench/cluster/component"
	"workbench/proxy"
	"workbench/runtime/containerd"
	"workbench/runtime/kubelet"
)

// The main goroutine keeps the main thread: no goroutine that entered another
// namespace on a thread of its own can ever end up on it.
func init() { runtime.LockOSThread() }

func main() { os.Exit(run(filepath.Base(os.Args[0]), os.Args[1:])) }

// startGC is GOGC for the start of a component, in percent.
const startGC = 300

// settled is when a component's start is over, also on a loaded machine.
const settled = 20 * time.Second

// run is the role that the program was started as, or the command line.
func run(name string, args []string) int {
	roles := component.Roles()
	roles[containerd.Role] = containerd.Main
	roles[kubelet.Role] = kubelet.Main
	roles[proxy.Role] = proxy.Main
	roles["kubectl"] = kubectlMain
	roles["etcdctl"] = etcdctlMain
	if role, ok := roles[name]; ok {
		// A start allocates much and keeps little. Collecting that less often
		// saves processor time while everything starts at once; when the
		// component has settled, its garbage goes back to the system.
		normal := debug.SetGCPercent(startGC)
		time.AfterFunc(settled, func() {
			debug.SetGCPercent(normal)
			debug.FreeOSMemory()
		})
		return role(args)
	}
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

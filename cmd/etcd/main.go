// Command etcd is a member of a lab's etcd cluster, with taps; the workbench
// carries it.
package main

import (
	"os"

	"workbench/cluster/component/etcd"
	"workbench/runtime/role"
)

func main() { os.Exit(role.Run(map[string]role.Main{etcd.Role: role.Of(etcd.Run)})) }

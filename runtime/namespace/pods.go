package namespace

import (
	"fmt"
	"path/filepath"
)

// PodNets are the files of the network namespaces of the pods on the node whose
// init has a PID, for NetAt: containerd keeps them there. A pod that is just set
// up or torn down may have one without a network.
func PodNets(pid int) ([]string, error) {
	return filepath.Glob(fmt.Sprintf("/proc/%d/root/run/netns/cni-*", pid))
}

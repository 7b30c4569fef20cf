// Package kubelet is the entry point of the real kubelet, with a tap on what it
// does.
package kubelet

import (
	"context"
	"fmt"
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json
	"k8s.io/component-base/metrics"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // build information metric
	"k8s.io/kubernetes/cmd/kubelet/app"
	kubeletmetrics "k8s.io/kubernetes/pkg/kubelet/metrics"
	"k8s.io/kubernetes/pkg/kubelet/prober"

	observe "workbench/cluster/observe/kubelet"
	"workbench/cluster/observe/tap"
)

// Role is the kubelet's name as argv[0] and as a component of a node.
const Role = "kubelet"

// Main runs the kubelet with upstream's flags and returns its exit code.
func Main(args []string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := watch(ctx, tap.Inherited()); err != nil {
		fmt.Fprintf(os.Stderr, "kubelet: observe it: %v\n", err) // it runs unobserved
	}
	cmd := app.NewKubeletCommand(ctx)
	cmd.SetArgs(args)
	return cli.Run(cmd)
}

// watch reads the few of the kubelet's own metrics that are told, in a registry of
// their own: gathering all of them is a thousand times the work.
func watch(ctx context.Context, pipe *tap.Pipe) error {
	node, err := os.Hostname()
	if err != nil {
		return err
	}
	registry := metrics.NewKubeRegistry()
	for _, m := range []metrics.Registerable{
		prober.ProberResults, kubeletmetrics.PodWorkerDuration, kubeletmetrics.PLEGRelistDuration, kubeletmetrics.PLEGRelistInterval,
	} {
		if err := registry.Register(m); err != nil {
			return err
		}
	}
	t := &observe.Tap{Node: node, Gather: registry.Gather, Pods: "/var/lib/kubelet/pods", Mounts: "/proc/self/mountinfo", Emit: pipe.Emit}
	go t.Run(ctx)
	return nil
}

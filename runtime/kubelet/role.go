// Package kubelet is the entry point of the real kubelet, with a tap on what it
// does.
package kubelet

import (
	"context"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/trace"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json
	"k8s.io/component-base/metrics"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // build information metric
	kubeletmetrics "k8s.io/kubernetes/pkg/kubelet/metrics"
	"k8s.io/kubernetes/pkg/kubelet/prober"

	observe "workbench/cluster/observe/kubelet"
	"workbench/cluster/observe/span"
	"workbench/cluster/observe/tap"
)

// Role is the kubelet's name as argv[0] and as a component of a node.
const Role = "kubelet"

// Main runs the kubelet with upstream's flags and returns its exit code.
func Main(args []string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pipe := tap.Inherited()
	if err := watch(ctx, pipe); err != nil {
		fmt.Fprintf(os.Stderr, "kubelet: observe it: %v\n", err) // it runs unobserved
	}
	provider, err := tracer(pipe)
	if err != nil {
		fmt.Fprintf(os.Stderr, "kubelet: trace it: %v\n", err) // it runs untraced
		provider = nil
	}
	return cli.Run(command(ctx, args, provider))
}

// tracer records what the kubelet does for pods while a trace is on: what it does
// for one is a trace of its own, which no request asked for.
func tracer(pipe *tap.Pipe) (trace.TracerProvider, error) {
	node, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	sink := &span.Sink{Node: node, Component: Role, Emit: pipe.Emit}
	return span.Provider(sink, span.Switch{File: span.SwitchFile, Names: []string{"syncPod", "syncTerminatingPod", "syncTerminatedPod"}})
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

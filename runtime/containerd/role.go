// Package containerd is the entry point of the real containerd, with a tap on its
// events, and a differ that has layers unpacked once for all nodes.
package containerd

import (
	"context"
	"fmt"
	"os"

	_ "github.com/containerd/containerd/v2/cmd/containerd/builtins" // its plugins
	"github.com/containerd/containerd/v2/cmd/containerd/command"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins"
	"github.com/containerd/plugin"
	"github.com/containerd/plugin/registry"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"workbench/cluster/observe/container"
	"workbench/cluster/observe/span"
	"workbench/cluster/observe/tap"
	"workbench/runtime/image/store"
)

// Role is containerd's name as argv[0] and as a component of a node.
const Role = "containerd"

// Main runs containerd with upstream's flags and returns its exit code.
func Main(args []string) int {
	pipe := tap.Inherited()
	registerTap(pipe)
	registerDiffer()
	if err := traceRequests(pipe); err != nil {
		fmt.Fprintf(os.Stderr, "containerd: trace it: %v\n", err) // it runs untraced
	}
	if err := command.App().Run(context.Background(), append([]string{Role}, args...)); err != nil {
		fmt.Fprintf(os.Stderr, "containerd: %v\n", err)
		return 1
	}
	return 0
}

// traceRequests records what containerd does for requests that are traced: those
// of a kubelet that records its work for a pod. It stands in for containerd's own
// plugin of OTLP, which cannot leave the rest unsampled.
func traceRequests(pipe *tap.Pipe) error {
	node, err := os.Hostname()
	if err != nil {
		return err
	}
	provider, err := span.Provider(&span.Sink{Node: node, Component: Role, Emit: pipe.Emit}, sdk.NeverSample())
	if err != nil {
		return err
	}
	otel.SetTextMapPropagator(propagation.TraceContext{})
	otel.SetTracerProvider(provider)
	return nil
}

// registerTap adds a plugin that hears containerd's events. It runs as long as the
// process does.
func registerTap(pipe *tap.Pipe) {
	registry.Register(&plugin.Registration{
		Type: plugins.InternalPlugin, ID: "workbench-tap", Requires: []plugin.Type{plugins.EventPlugin, plugins.MetadataPlugin},
		InitFn: func(ic *plugin.InitContext) (any, error) {
			node, err := os.Hostname()
			if err != nil {
				return nil, fmt.Errorf("name the node of containerd: %w", err)
			}
			exchange, err := ic.GetSingle(plugins.EventPlugin)
			if err != nil {
				return nil, err
			}
			database, err := ic.GetSingle(plugins.MetadataPlugin)
			if err != nil {
				return nil, err
			}
			db := database.(*metadata.DB)
			containers := metadata.NewContainerStore(db)
			t := &container.Tap{
				Node: node, Events: exchange.(container.Subscriber), Emit: pipe.Emit,
				Labels: func(ctx context.Context, id string) (map[string]string, error) {
					c, err := containers.Get(namespaces.WithNamespace(ctx, container.Namespace), id)
					return c.Labels, err
				},
			}
			contents := store.Contents{Images: metadata.NewImageStore(db), Blobs: db.ContentStore(), Layers: db.Snapshotter(store.Overlay)}
			i := &container.Images{Node: node, Events: t.Events, List: contents.List, Emit: pipe.Emit}
			go t.Run(ic.Context)
			go i.Run(ic.Context)
			return t, nil
		},
	})
}

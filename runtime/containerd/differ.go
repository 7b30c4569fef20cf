package containerd

import (
	"errors"

	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/diff/apply"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/plugins"
	"github.com/containerd/containerd/v2/plugins/diff/walking"
	"github.com/containerd/plugin"
	"github.com/containerd/plugin/registry"

	"workbench/runtime/image/pull"
	"workbench/runtime/image/store"
)

// differConfig says who unpacks layers for all nodes; see plan's containerdFiles.
type differConfig struct {
	Server string `toml:"server"`
	Token  string `toml:"token"`
}

// differ compares as upstream's, and has layers unpacked for all nodes.
type differ struct {
	diff.Comparer
	diff.Applier
}

// registerDiffer adds the plugin that unpacks what is pulled. It is made as upstream's
// plugins/diff/walking/plugin is, which it falls back on. It names no platform, so
// that it is used only where the configuration names it.
func registerDiffer() {
	registry.Register(&plugin.Registration{
		Type: plugins.DiffPlugin, ID: store.Differ, Requires: []plugin.Type{plugins.MetadataPlugin, plugins.MountManagerPlugin}, Config: &differConfig{},
		InitFn: func(ic *plugin.InitContext) (any, error) {
			database, err := ic.GetSingle(plugins.MetadataPlugin)
			if err != nil {
				return nil, err
			}
			var mounts mount.Manager
			if m, err := ic.GetSingle(plugins.MountManagerPlugin); err == nil {
				mounts = m.(mount.Manager)
			} else if !errors.Is(err, plugin.ErrPluginNotFound) {
				return nil, err
			}
			db, config := database.(*metadata.DB), ic.Config.(*differConfig)
			blobs := db.ContentStore()
			return differ{walking.NewWalkingDiff(blobs), &store.Applier{
				Content: blobs, Snapshots: db.Snapshotter(store.Overlay), Ask: pull.NewLayers(config.Server, config.Token).Ask,
				Else: apply.NewFileSystemApplierWithMountManager(blobs, mounts),
			}}, nil
		},
	})
}

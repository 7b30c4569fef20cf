package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// provisioner makes and removes directories on nodes.
type provisioner struct {
	root func(node string) (*os.Root, error)
}

// mode lets containers of any user write, as there is no mount option to say whose
// a volume is.
const mode = 0o777

// Provision makes the directory of a claim on the node the scheduler chose.
func (p provisioner) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if err := refuse(o); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	node := o.SelectedNodeName
	root, err := p.root(node)
	if err != nil {
		return nil, controller.ProvisioningReschedule, fmt.Errorf("make volume %s on %s: %w", o.PVName, node, err)
	}
	defer root.Close()
	dir := path.Join(Dir, o.PVName)
	in := inRoot(dir)
	if err := errors.Join(root.MkdirAll(in, 0o755), root.Chmod(in, mode)); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("make volume %s on %s: %w", o.PVName, node, err)
	}
	return volume(o, dir), controller.ProvisioningFinished, nil
}

// volume is the PersistentVolume for a directory on a node.
func volume(o controller.ProvisionOptions, dir string) *corev1.PersistentVolume {
	reclaim := corev1.PersistentVolumeReclaimDelete
	if o.StorageClass.ReclaimPolicy != nil {
		reclaim = *o.StorageClass.ReclaimPolicy
	}
	filesystem := corev1.PersistentVolumeFilesystem
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			AccessModes:                   o.PVC.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: reclaim,
			VolumeMode:                    &filesystem,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: dir}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{o.SelectedNodeName},
				}},
			}}}},
		},
	}
}

// refuse says why a claim cannot be a directory on one node; nil when it can.
func refuse(o controller.ProvisionOptions) error {
	claim := o.PVC.Spec
	switch {
	case o.SelectedNodeName == "":
		return fmt.Errorf("a volume is on a node, and none is chosen yet: StorageClass %s needs volumeBindingMode WaitForFirstConsumer", o.StorageClass.Name)
	case claim.VolumeMode != nil && *claim.VolumeMode != corev1.PersistentVolumeFilesystem:
		return fmt.Errorf("a volume is a directory, not a device: volumeMode %s is not possible", *claim.VolumeMode)
	case claim.Selector != nil:
		return errors.New("a claim with a selector wants a volume that exists; it gets none made")
	case claim.DataSource != nil || claim.DataSourceRef != nil:
		return errors.New("a volume begins empty: dataSource is not possible")
	case slices.ContainsFunc(claim.AccessModes, sharedByNodes):
		return fmt.Errorf("a volume is on one node: use %s or %s", corev1.ReadWriteOnce, corev1.ReadWriteOncePod)
	}
	return nil
}

func sharedByNodes(m corev1.PersistentVolumeAccessMode) bool {
	return m == corev1.ReadWriteMany || m == corev1.ReadOnlyMany
}

// Delete removes the directory of a volume.
func (p provisioner) Delete(_ context.Context, v *corev1.PersistentVolume) error {
	node, dir, err := place(v)
	if err != nil {
		return err
	}
	root, err := p.root(node)
	if errors.Is(err, ErrNoNode) {
		return nil // its disk went with it
	}
	if err != nil {
		return fmt.Errorf("delete volume %s on %s: %w", v.Name, node, err)
	}
	defer root.Close()
	if err := root.RemoveAll(inRoot(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete volume %s on %s: %w", v.Name, node, err)
	}
	return nil
}

// place is where a volume is. Nothing but what Provision made is ever deleted.
func place(v *corev1.PersistentVolume) (node, dir string, err error) {
	local, affinity := v.Spec.Local, v.Spec.NodeAffinity
	if local == nil || local.Path != path.Join(Dir, v.Name) {
		return "", "", fmt.Errorf("volume %s is not a directory in %s: it is left alone", v.Name, Dir)
	}
	if affinity != nil && affinity.Required != nil {
		for _, term := range affinity.Required.NodeSelectorTerms {
			for _, e := range term.MatchExpressions {
				if e.Key == corev1.LabelHostname && e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 {
					return e.Values[0], local.Path, nil
				}
			}
		}
	}
	return "", "", fmt.Errorf("volume %s does not say which node it is on: it is left alone", v.Name)
}

// inRoot is a path of a node as os.Root takes it.
func inRoot(dir string) string { return strings.TrimPrefix(dir, "/") }

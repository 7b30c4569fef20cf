package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

var errOff = errors.New("the node is off")

// disks are a node w1 that runs, a node w2 that does not, and no other.
func disks(t *testing.T) (provisioner, string) {
	dir := t.TempDir()
	return provisioner{root: func(node string) (*os.Root, error) {
		switch node {
		case "w1":
			return os.OpenRoot(dir)
		case "w2":
			return nil, errOff
		}
		return nil, ErrNoNode
	}}, dir
}

func wanted(node string, change func(*corev1.PersistentVolumeClaimSpec)) controller.ProvisionOptions {
	keep := corev1.PersistentVolumeReclaimRetain
	spec := corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("3Gi")}},
	}
	if change != nil {
		change(&spec)
	}
	return controller.ProvisionOptions{
		PVName: "pvc-1", SelectedNodeName: node, PVC: &corev1.PersistentVolumeClaim{Spec: spec},
		StorageClass: &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "local"}, ReclaimPolicy: &keep},
	}
}

func TestProvisionAndDelete(t *testing.T) {
	p, dir := disks(t)
	v, _, err := p.Provision(t.Context(), wanted("w1", nil))
	if err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(dir, v.Spec.Local.Path)
	info, err := os.Stat(made)
	if err != nil || info.Mode().Perm() != 0o777 {
		t.Fatalf("the directory is %v, %v", info, err)
	}
	size := v.Spec.Capacity[corev1.ResourceStorage]
	if node, at, err := place(v); node != "w1" || at != Dir+"/pvc-1" || err != nil || size.String() != "3Gi" || v.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain {
		t.Errorf("volume on %s at %s (%v): %+v", node, at, err, v.Spec)
	}
	if err := os.WriteFile(filepath.Join(made, "data"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Provision(t.Context(), wanted("w1", nil)); err != nil {
		t.Errorf("a second attempt of the same claim: %v", err)
	}
	for range 2 { // the second time there is nothing left to do
		if err := p.Delete(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(made); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Delete the directory is there: %v", err)
	}
}

func TestDeleteLeavesAloneWhatIsNotOurs(t *testing.T) {
	p, dir := disks(t)
	v, _, err := p.Provision(t.Context(), wanted("w1", nil))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := v.DeepCopy()
	elsewhere.Spec.Local.Path = "/etc"
	anywhere := v.DeepCopy()
	anywhere.Spec.NodeAffinity = nil
	off := v.DeepCopy()
	off.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values[0] = "w2"
	for what, volume := range map[string]*corev1.PersistentVolume{"left alone": elsewhere, "which node": anywhere, "is off": off} {
		if err := p.Delete(t.Context(), volume); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("want an error that says %q, got %v", what, err)
		}
	}
	gone := v.DeepCopy()
	gone.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values[0] = "w9"
	if err := p.Delete(t.Context(), gone); err != nil {
		t.Errorf("a volume of a node that is no more: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, v.Spec.Local.Path)); err != nil {
		t.Errorf("the directory is gone: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	p, _ := disks(t)
	block := corev1.PersistentVolumeBlock
	for what, o := range map[string]controller.ProvisionOptions{
		"WaitForFirstConsumer": wanted("", nil),
		"not a device":         wanted("w1", func(c *corev1.PersistentVolumeClaimSpec) { c.VolumeMode = &block }),
		"selector":             wanted("w1", func(c *corev1.PersistentVolumeClaimSpec) { c.Selector = &metav1.LabelSelector{} }),
		"begins empty": wanted("w1", func(c *corev1.PersistentVolumeClaimSpec) {
			c.DataSource = &corev1.TypedLocalObjectReference{Kind: "VolumeSnapshot"}
		}),
		"ReadWriteOncePod": wanted("w1", func(c *corev1.PersistentVolumeClaimSpec) {
			c.AccessModes = append(c.AccessModes, corev1.ReadWriteMany)
		}),
	} {
		if _, state, err := p.Provision(t.Context(), o); err == nil || !strings.Contains(err.Error(), what) || state != controller.ProvisioningFinished {
			t.Errorf("want a final refusal that says %q, got %s %v", what, state, err)
		}
	}
	if _, state, err := p.Provision(t.Context(), wanted("w2", nil)); !errors.Is(err, errOff) || state != controller.ProvisioningReschedule {
		t.Errorf("on a node that is off: %s, %v; want another node to be chosen", state, err)
	}
}

package addon_test

import (
	"strings"
	"testing"

	"workbench/cluster/addon"
	"workbench/cluster/spec"
)

func TestManifests(t *testing.T) {
	cfg := addon.Config{Addons: spec.Addons{DNS: true, Storage: true}, Provisioner: "example.org/volumes", Domain: "lab.example", DNS: "10.101.0.10", CoreDNS: "workbench.local/coredns:9", Replicas: 2}
	objects, err := addon.Manifests(cfg)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, o := range objects {
		raw, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		seen[o.GetKind()] = string(raw)
		if o.GetName() == "" || o.GetAPIVersion() == "" {
			t.Errorf("%s has no name or version: %s", o.GetKind(), raw)
		}
	}
	for kind, wants := range map[string][]string{
		"ServiceAccount": {`"namespace":"kube-system"`}, "ClusterRole": {`"endpointslices"`}, "ClusterRoleBinding": {`"system:coredns"`},
		"ConfigMap": {`kubernetes lab.example in-addr.arpa`}, "Service": {`"clusterIP":"10.101.0.10"`, `"name":"kube-dns"`},
		"StorageClass": {`"storageclass.kubernetes.io/is-default-class":"true"`, `"provisioner":"example.org/volumes"`, `"volumeBindingMode":"WaitForFirstConsumer"`},
		"Deployment":   {`"image":"workbench.local/coredns:9"`, `"replicas":2`},
	} {
		for _, want := range wants {
			if !strings.Contains(seen[kind], want) {
				t.Errorf("%s does not say %s: %s", kind, want, seen[kind])
			}
		}
	}
	if none, err := addon.Manifests(addon.Config{}); err != nil || len(none) > 0 {
		t.Errorf("without addons there are %d objects, %v", len(none), err)
	}
}

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
		"Deployment":   {`"name":"` + addon.DNSName + `","namespace":"kube-system"`, `"image":"workbench.local/coredns:9"`, `"replicas":2`},
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

// TestMetricsManifests holds that nobody has to skip a check: the API trusts what
// metrics-server serves with, and metrics-server what the kubelets serve with.
func TestMetricsManifests(t *testing.T) {
	objects, err := addon.Manifests(addon.Config{Addons: spec.Addons{Metrics: true}, Metrics: addon.Metrics{
		Image: "workbench.local/metrics-server:9", Program: "/opt/bin/workbench", CA: []byte("authority"), Cert: []byte("certificate"), Key: []byte("key"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, o := range objects {
		raw, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		seen[o.GetKind()] += string(raw)
	}
	for kind, wants := range map[string][]string{
		"Deployment": {`"image":"workbench.local/metrics-server:9"`, `"path":"/opt/bin"`, `"mountPath":"/opt/bin"`, `--kubelet-certificate-authority=`},
		"Secret":     {`"tls.crt":"Y2VydGlmaWNhdGU="`, `"tls.key":"a2V5"`},
		"APIService": {`"caBundle":"YXV0aG9yaXR5"`, `"name":"v1beta1.metrics.k8s.io"`},
		"Service":    {`"targetPort":"https"`}, "ServiceAccount": {`"kube-system"`}, "RoleBinding": {`"extension-apiserver-authentication-reader"`},
		"ClusterRole": {`"nodes/metrics"`, `"metrics.k8s.io"`}, "ClusterRoleBinding": {`"system:auth-delegator"`},
	} {
		for _, want := range wants {
			if !strings.Contains(seen[kind], want) {
				t.Errorf("%s does not say %s: %s", kind, want, seen[kind])
			}
		}
	}
	for kind, text := range seen {
		if strings.Contains(strings.ToLower(text), "insecure") {
			t.Errorf("%s skips a check: %s", kind, text)
		}
	}
}

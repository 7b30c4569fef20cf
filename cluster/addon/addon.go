// Package addon installs what a cluster needs besides its components: objects in
// the API, from manifests, of images that the lab has itself.
//
//	Config -> Manifests (a value; golden-tested) -> Install (server-side apply)
package addon

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path"
	"text/template"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"workbench/cluster/spec"
)

// Config says which addons to install and what they need to know.
type Config struct {
	Addons spec.Addons
	// Domain of the cluster, and the cluster IP of its name service.
	Domain string
	DNS    string
	// Forwarder is the address that names outside of the cluster are asked of; Taps
	// the directory of the socket that lookups are told to, on each node.
	Forwarder string
	Taps      string
	// Provisioner is the name of the provisioner of volumes.
	Provisioner string
	// CoreDNS is the reference of its image, Replicas how many of it run.
	CoreDNS  string
	Replicas int
	Metrics  Metrics
}

// Metrics is what metrics-server runs with.
type Metrics struct {
	Image string
	// Program is the node's file that the image links to.
	Program string
	// CA signed Cert, with which it serves, and those of the kubelets; in PEM.
	CA, Cert, Key []byte
}

// The Deployments of addons that run as pods, in kube-system.
const (
	DNSName     = "coredns"
	MetricsName = "metrics-server"
)

// manager is what the API calls the owner of the fields.
const manager = "workbench"

//go:embed manifests
var manifests embed.FS

// Manifests are the objects of the addons in the order in which to make them.
func Manifests(cfg Config) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, addon := range []struct {
		file string
		on   bool
	}{
		{"storage.yaml", cfg.Addons.Storage},
		{"dns.yaml", cfg.Addons.DNS},
		{"metrics.yaml", cfg.Addons.Metrics},
	} {
		if !addon.on {
			continue
		}
		objects, err := cfg.render(addon.file)
		if err != nil {
			return nil, err
		}
		out = append(out, objects...)
	}
	return out, nil
}

func (c Config) render(name string) ([]*unstructured.Unstructured, error) {
	functions := template.FuncMap{"base64": base64.StdEncoding.EncodeToString, "dir": path.Dir}
	t, err := template.New(name).Funcs(functions).Option("missingkey=error").ParseFS(manifests, "manifests/"+name)
	if err != nil {
		return nil, fmt.Errorf("read addon %s: %w", name, err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, c); err != nil {
		return nil, fmt.Errorf("write addon %s: %w", name, err)
	}
	var out []*unstructured.Unstructured
	d := yaml.NewYAMLOrJSONDecoder(&text, 4096)
	for {
		o := &unstructured.Unstructured{}
		if err := d.Decode(o); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("read addon %s: %w", name, err)
		}
		if len(o.Object) > 0 {
			out = append(out, o)
		}
	}
}

// Install makes the objects, or makes them as they should be. What users added to
// them stays. It is done once the API has them; their pods come later.
func Install(ctx context.Context, api *rest.Config, cfg Config) error {
	objects, err := Manifests(cfg)
	if err != nil || len(objects) == 0 {
		return err
	}
	client, err := dynamic.NewForConfig(api)
	if err != nil {
		return fmt.Errorf("install addons: %w", err)
	}
	for _, o := range objects {
		// The kinds are built in, and all have regular plurals.
		resource, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
		var to dynamic.ResourceInterface = client.Resource(resource)
		if o.GetNamespace() != "" {
			to = client.Resource(resource).Namespace(o.GetNamespace())
		}
		if _, err := to.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: manager, Force: true}); err != nil {
			return fmt.Errorf("install addon %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

package registry

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func secret(value string) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: "s", Namespace: "demo", UID: "u1", Annotations: map[string]string{
			lastApplied: `{"data":{"password":"` + base64.StdEncoding.EncodeToString([]byte(value)) + `"}}`, "helm/values": value,
		}},
		Data: map[string][]byte{"password": []byte(value)}, StringData: map[string]string{"text": value},
	}
}

func stored(t *testing.T, o runtime.Object) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(o, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func put(key string, revision int64, value, before []byte) *clientv3.Event {
	e := &clientv3.Event{Type: mvccpb.Event_PUT, Kv: &mvccpb.KeyValue{Key: []byte(key), Value: value, ModRevision: revision, CreateRevision: revision}}
	if before != nil {
		e.PrevKv = &mvccpb.KeyValue{Key: []byte(key), Value: before, ModRevision: revision - 1, CreateRevision: 1}
		e.Kv.CreateRevision = 1
	}
	return e
}

// TestSecretValuesDoNotLeave holds for every way in which a value can be in a
// stored Secret: as protobuf and JSON, created, changed and deleted.
func TestSecretValuesDoNotLeave(t *testing.T) {
	const canary, other = "canary-4711-value", "canary-4712-other"
	p, err := newProjector()
	if err != nil {
		t.Fatal(err)
	}
	asJSON := func(value string) []byte {
		raw, err := json.Marshal(secret(value))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	const key = "/registry/secrets/demo/s"
	gone := put(key, 9, nil, asJSON(canary))
	gone.Type = mvccpb.Event_DELETE
	for name, e := range map[string]*clientv3.Event{
		"created": put(key, 5, stored(t, secret(canary)), nil), "changed": put(key, 6, stored(t, secret(other)), stored(t, secret(canary))),
		"created as JSON": put(key, 7, asJSON(canary), nil), "changed as JSON": put(key, 8, asJSON(other), asJSON(canary)),
		"deleted": gone, "damaged": put(key, 9, stored(t, secret(canary))[:60], nil), "encrypted": put(key, 9, []byte("k8s:enc:"+canary), nil),
	} {
		c, ok := p.change(e)
		if !ok {
			t.Errorf("%s: no change", name)
			continue
		}
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{canary, other} {
			for _, form := range []string{value, base64.StdEncoding.EncodeToString([]byte(value)), base64.StdEncoding.EncodeToString([]byte(value))[:12]} {
				if bytes.Contains(raw, []byte(form)) {
					t.Errorf("%s: %q is in %s", name, form, raw)
				}
			}
		}
		if strings.HasPrefix(name, "changed") {
			found := false
			for _, f := range c.Fields {
				found = found || f.Path == "data.password" && strings.Contains(f.Old, "17 B") && f.Old != f.New
			}
			if !found {
				t.Errorf("%s: that the password changed must be told: %s", name, raw)
			}
		}
		if c.Namespace != "demo" || c.Name != "s" || c.Resource != "secrets" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestKeys(t *testing.T) {
	for key, want := range map[string]place{
		"/registry/pods/demo/web-1":                       {"", "pods", "demo", "web-1"},
		"/registry/minions/w1":                            {"", "nodes", "", "w1"},
		"/registry/services/specs/default/kubernetes":     {"", "services", "default", "kubernetes"},
		"/registry/services/endpoints/default/kubernetes": {"", "endpoints", "default", "kubernetes"},
		"/registry/apiregistration.k8s.io/apiservices/v1": {"apiregistration.k8s.io", "apiservices", "", "v1"},
		"/registry/example.com/widgets/demo/one":          {"example.com", "widgets", "demo", "one"},
		"/registry/ranges/serviceips":                     {"", "ranges", "", "serviceips"},
		"/registry/masterleases/10.10.0.11":               {"", "masterleases", "", "10.10.0.11"},
	} {
		if got, ok := parse(key); !ok || got != want {
			t.Errorf("%s: %+v, %v", key, got, ok)
		}
	}
	for _, key := range []string{"compact_rev_key", "/registry/", "/registry/pods", "/registry/pods/"} {
		if got, ok := parse(key); ok {
			t.Errorf("%s: %+v", key, got)
		}
	}
}

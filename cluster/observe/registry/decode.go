package registry

import (
	"bytes"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// object is one state of an object: its tree without managedFields, which are
// beside it.
type object struct {
	unstructured.Unstructured
	managed []metav1.ManagedFieldsEntry
	// partial says that the tree has the metadata alone.
	partial bool
}

// protobufMagic begins every value that kube-apiserver stores as protobuf.
var protobufMagic = []byte("k8s\x00")

// decoder reads values of etcd.
type decoder struct {
	serial runtime.Decoder
	secret *redactor
}

func newDecoder() (*decoder, error) {
	s := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(s))
	utilruntime.Must(apiextensionsv1.AddToScheme(s))
	utilruntime.Must(apiregistrationv1.AddToScheme(s))
	secret, err := newRedactor()
	if err != nil {
		return nil, err
	}
	return &decoder{serial: serializer.NewCodecFactory(s).UniversalDeserializer(), secret: secret}, nil
}

// decode reads a value; nil for one that is no object, such as an encrypted
// one. What it gives has no value of a Secret in it.
func (d *decoder) decode(value []byte) (*object, error) {
	var o *object
	var err error
	switch {
	case bytes.HasPrefix(value, protobufMagic):
		o, err = d.typed(value)
	case len(value) > 0 && value[0] == '{':
		o, err = tree(value)
	default:
		return nil, nil
	}
	if err != nil || o == nil {
		return nil, err
	}
	d.secret.redact(o)
	return o, nil
}

func (d *decoder) typed(value []byte) (*object, error) {
	typed, kind, err := d.serial.Decode(value, nil, nil)
	if err != nil {
		return metadata(value)
	}
	o := &object{}
	accessor, err := meta.Accessor(typed)
	if err != nil {
		return nil, nil // such as RangeAllocation of another version; no object
	}
	o.managed = accessor.GetManagedFields()
	accessor.SetManagedFields(nil)
	o.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return nil, fmt.Errorf("convert %s: %w", kind.Kind, err)
	}
	o.SetGroupVersionKind(*kind)
	return o, nil
}

// tree reads JSON, which is how custom resources are stored.
func tree(value []byte) (*object, error) {
	o := &object{}
	if err := o.UnmarshalJSON(value); err != nil {
		return nil, nil // not an object
	}
	o.managed = o.GetManagedFields()
	o.SetManagedFields(nil)
	return o, nil
}

// metadata reads what all kinds have in the same place, of a kind that is not
// known here.
func metadata(value []byte) (*object, error) {
	var unknown runtime.Unknown
	if err := unknown.Unmarshal(value[len(protobufMagic):]); err != nil {
		return nil, nil
	}
	var partial metav1.PartialObjectMetadata
	if err := partial.Unmarshal(unknown.Raw); err != nil || partial.Name == "" {
		return nil, nil
	}
	o := &object{managed: partial.ManagedFields, partial: true}
	partial.ManagedFields = nil
	var err error
	if o.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(&partial); err != nil {
		return nil, err
	}
	o.SetAPIVersion(unknown.APIVersion)
	o.SetKind(unknown.Kind)
	return o, nil
}

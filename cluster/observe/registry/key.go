package registry

import "strings"

// Prefix of all that Kubernetes keeps in etcd: kube-apiserver's
// --etcd-prefix.
const Prefix = "/registry/"

// place is what a key says.
type place struct {
	group, resource, namespace, name string
}

// renamed are the resources whose keys are not their names; see the storage
// factory of kube-apiserver (pkg/kubeapiserver/default_storage_factory_builder.go)
// and registry/core/rest.
var renamed = map[string]string{
	"minions":            "nodes",
	"controllers":        "replicationcontrollers",
	"ingress":            "ingresses",
	"services/specs":     "services",
	"services/endpoints": "endpoints",
}

// unnamespaced are resources without a namespace whose keys have a part more.
var unnamespaced = map[string]bool{"ranges": true}

// parse reads a key: /registry/RESOURCE/[NAMESPACE/]NAME, with the group
// before the resource where that has a dot in it.
func parse(key string) (place, bool) {
	rest, ok := strings.CutPrefix(key, Prefix)
	if !ok {
		return place{}, false
	}
	parts := strings.Split(rest, "/")
	var p place
	if len(parts) > 1 && strings.Contains(parts[0], ".") {
		p.group, parts = parts[0], parts[1:]
	}
	if len(parts) > 2 && parts[0] == "services" {
		parts = append([]string{parts[0] + "/" + parts[1]}, parts[2:]...)
	}
	p.resource, parts = parts[0], parts[1:]
	if name, ok := renamed[p.resource]; ok {
		p.resource = name
	}
	switch {
	case len(parts) == 0:
		return place{}, false
	case len(parts) == 1 || unnamespaced[p.resource]:
		p.name = strings.Join(parts, "/")
	default:
		p.namespace, p.name = parts[0], strings.Join(parts[1:], "/")
	}
	return p, p.resource != "" && p.name != ""
}

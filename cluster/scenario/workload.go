package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

func kubeForms() []form {
	return []form{
		{usage: "pods ready", text: "every pod that is not being deleted and has not ended is ready", check: func(v View, _ args) string { return podsReady(v.Now, "") }},
		{usage: "pods ready in NAMESPACE", text: "of that namespace, which has some", check: func(v View, a args) string { return podsReady(v.Now, a["NAMESPACE"]) }},
		{usage: "no pods in NAMESPACE on NODE", text: "no pod of the namespace that is not being deleted is bound to the node", check: func(v View, a args) string {
			n := len(podsOf(v.Now, a["NAMESPACE"], a["NODE"]))
			return unless(n == 0, "%d pods of %s are bound to %s", n, a["NAMESPACE"], a["NODE"])
		}},
		{usage: "deployment DEPLOYMENT ready", text: "NAMESPACE/NAME: all replicas are of the latest template and available", check: func(v View, a args) string {
			d := v.Now.Kube.Deployments[a["DEPLOYMENT"]]
			if d == nil {
				return "there is no Deployment " + a["DEPLOYMENT"]
			}
			return deployed(d)
		}},
		{usage: "deployment DEPLOYMENT replaced", text: "no pod of it is older than the last action, and it is ready", check: func(v View, a args) string {
			namespace, name, _ := strings.Cut(a["DEPLOYMENT"], "/")
			d := v.Now.Kube.Deployments[a["DEPLOYMENT"]]
			if d == nil {
				return "there is no Deployment " + a["DEPLOYMENT"]
			}
			for _, p := range podsOf(v.Now, namespace, "") {
				// Objects have whole seconds.
				if strings.HasPrefix(p.Owner, "ReplicaSet/"+name+"-") && p.Created.Before(v.Base.At.Truncate(1e9)) {
					return p.Key() + " is older"
				}
			}
			return deployed(d)
		}},
		{usage: "deployment DEPLOYMENT at least N available", text: "so many replicas are available", valid: atLeast, check: func(v View, a args) string {
			d := v.Now.Kube.Deployments[a["DEPLOYMENT"]]
			if d == nil {
				return "there is no Deployment " + a["DEPLOYMENT"]
			}
			n, _ := strconv.Atoi(a["N"])
			return unless(int(d.Available) >= n, "%s has %d available", a["DEPLOYMENT"], d.Available)
		}},
		{usage: "endpoints SERVICE at least N", text: "NAMESPACE/NAME has so many ready endpoints", valid: atLeast, check: func(v View, a args) string {
			n, _ := strconv.Atoi(a["N"])
			got := len(endpoints(v.Now, a["SERVICE"], ""))
			return unless(got >= n, "%s has %d ready endpoints", a["SERVICE"], got)
		}},
		{usage: "no endpoints SERVICE on NODE", text: "no ready endpoint is on the node", check: func(v View, a args) string {
			got := len(endpoints(v.Now, a["SERVICE"], a["NODE"]))
			return unless(got == 0, "%s has %d ready endpoints on %s", a["SERVICE"], got, a["NODE"])
		}},
	}
}

// deployed says why not all of a Deployment is available.
func deployed(d *event.KubeDeployment) string {
	return unless(d.Replicas > 0 && d.Updated == d.Replicas && d.Available == d.Replicas,
		"%s has %d of %d replicas available, %d of the latest template", d.Key(), d.Available, d.Replicas, d.Updated)
}

// podsOf are the pods of a namespace ("" is all) on a node ("" is anywhere) that
// are not being deleted and have not ended, by key.
func podsOf(w *state.World, namespace, node string) []*event.KubePod {
	var out []*event.KubePod
	for _, key := range slices.Sorted(maps.Keys(w.Kube.Pods)) {
		p := w.Kube.Pods[key]
		if !p.Deleting.IsZero() || p.Over() || namespace != "" && p.Namespace != namespace || node != "" && p.Node != node {
			continue
		}
		out = append(out, p)
	}
	return out
}

func podsReady(w *state.World, namespace string) string {
	all := podsOf(w, namespace, "")
	var not []string
	for _, p := range all {
		if !p.Ready {
			not = append(not, p.Key())
		}
	}
	if len(not) > 0 {
		return fmt.Sprintf("%d of %d pods are not ready, such as %s", len(not), len(all), not[0])
	}
	return unless(namespace == "" || len(all) > 0, "there are no pods in %s", namespace)
}

func endpoints(w *state.World, service, node string) []event.KubeEndpoint {
	namespace, name, _ := strings.Cut(service, "/")
	var out []event.KubeEndpoint
	for _, s := range w.Kube.Slices {
		if s.Namespace != namespace || s.Service != name {
			continue
		}
		for _, e := range s.Endpoints {
			if e.Ready && (node == "" || e.Node == node) {
				out = append(out, e)
			}
		}
	}
	return out
}

package state

import (
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// Silence is a lease that was not renewed: what came of that has no change as
// its cause, but the lack of one.
type Silence struct {
	// Lease that is silent, as namespace/name.
	Lease string `json:"lease"`
	// Revision and At of its last renewal.
	Revision int64     `json:"revision"`
	At       time.Time `json:"at"`
}

// guess is a rule by which a change is likely the answer to an older one though
// nothing ties them: by what both did, of the same node, name or namespace.
type guess struct {
	within time.Duration // between the two, at most
	asks   func(one *ObjectChange) bool
	fits   func(one, o *ObjectChange, node string) bool
}

// guesses are the rules of inference, the surest first. Each says what upstream
// does: the controllers are named in Kubernetes' pkg/controller.
func guesses() []guess {
	return []guess{
		// nodelifecycle and tainteviction: a lost node's pods are not ready, then evicted.
		{time.Minute, lostPod, func(_, o *ObjectChange, node string) bool {
			return o.Kind == "Node" && o.Name == node && lostNode(o)
		}},
		// namespace: all of a namespace that is deleted goes.
		{time.Minute, ending, func(one, o *ObjectChange, _ string) bool {
			return o.Kind == "Namespace" && o.Name == one.Namespace && ending(o)
		}},
		// serviceaccount, root-ca-cert-publisher: what every new namespace gets.
		{5 * time.Second, givenToNamespace, func(one, o *ObjectChange, _ string) bool {
			return o.Kind == "Namespace" && o.Name == one.Namespace && o.Verb == event.ChangeCreate
		}},
		// The scheduler tries a pod again when a node changes or a pod goes.
		{2 * time.Second, placed, func(_, o *ObjectChange, _ string) bool {
			return o.Kind == "Node" && (o.Verb == event.ChangeCreate || sets(o, "spec.") || readied(o)) || o.Kind == "Pod" && o.Verb == event.ChangeDelete
		}},
		// endpoint: Endpoints bear the name of their Service, and follow the pods of the namespace.
		{2 * time.Second, nameless, func(one, o *ObjectChange, _ string) bool {
			return o.Namespace == one.Namespace && (o.Kind == "Pod" && readied(o) || o.Kind == "Service" && o.Name == one.Name)
		}},
	}
}

// infer is the newest change before one that it is likely an answer to, when
// that is newer than what it is tied to, at index solid or -1.
func (c *Changes) infer(one *ObjectChange, solid int, node string) (int64, bool) {
	for _, g := range guesses() {
		if !g.asks(one) {
			continue
		}
		for i := len(c.List) - 1; i > max(solid, len(c.List)-reach); i-- {
			o := &c.List[i]
			if one.At.Sub(o.At) > g.within {
				break
			}
			if o.Revision < one.Revision && o.UID != one.UID && g.fits(one, o, node) {
				return o.Revision, true
			}
		}
	}
	return 0, false
}

// silence is the lease whose lack of renewal a change is likely the answer to:
// a node's that is found lost, or a leader's that another one takes over.
func (c *Changes) silence(one *ObjectChange) *Silence {
	key, wait := "", 2*time.Second
	switch {
	case one.Kind == "Node" && has(one, "status.conditions[Ready].status", "Unknown"):
		key = "kube-node-lease/" + one.Name
	case one.Kind == "Lease" && one.Verb == event.ChangeUpdate && one.Namespace == "kube-system" && taken(one):
		key = one.Namespace + "/" + one.Name
	default:
		return nil
	}
	beat := c.Beats["leases/"+key]
	if beat == nil || one.At.Sub(beat.At) < wait {
		return nil
	}
	return &Silence{Lease: key, Revision: beat.Revision, At: beat.At}
}

// taken says whether a lease went from one holder to another.
func taken(c *ObjectChange) bool {
	return slices.ContainsFunc(c.Fields, func(f event.FieldChange) bool { return f.Path == "spec.holderIdentity" && f.Old != "" && f.New != "" })
}

func has(c *ObjectChange, path, now string) bool {
	return slices.ContainsFunc(c.Fields, func(f event.FieldChange) bool { return f.Path == path && f.New == now })
}

// sets says whether a field below a path got a value, or another one.
func sets(c *ObjectChange, path string) bool {
	return slices.ContainsFunc(c.Fields, func(f event.FieldChange) bool { return strings.HasPrefix(f.Path, path) })
}

// readied says whether an object became ready, or ceased to be.
func readied(c *ObjectChange) bool {
	return slices.ContainsFunc(c.Fields, func(f event.FieldChange) bool { return f.Path == "status.conditions[Ready].status" })
}

// ending says whether an object went, or is on its way.
func ending(c *ObjectChange) bool {
	return c.Verb == event.ChangeDelete || sets(c, "metadata.deletionTimestamp")
}

// lostNode says whether a node is found lost: not Ready, or tainted for it.
func lostNode(c *ObjectChange) bool {
	return has(c, "status.conditions[Ready].status", "Unknown") || has(c, "status.conditions[Ready].status", "False") ||
		slices.ContainsFunc(c.Fields, func(f event.FieldChange) bool { return strings.HasPrefix(f.Path, "spec.taints") && f.New != "" })
}

// lostPod says whether a controller found a pod not ready, or ends it.
func lostPod(c *ObjectChange) bool {
	return c.Kind == "Pod" && c.Verb == event.ChangeUpdate && c.Manager != "kubelet" && (has(c, "status.conditions[Ready].status", "False") || ending(c))
}

// givenToNamespace says whether an object is one that every namespace gets.
func givenToNamespace(c *ObjectChange) bool {
	return c.Verb == event.ChangeCreate && (c.Kind == "ServiceAccount" && c.Name == "default" || c.Kind == "ConfigMap" && c.Name == "kube-root-ca.crt")
}

// placed says whether a pod got its node.
func placed(c *ObjectChange) bool { return c.Kind == "Pod" && sets(c, "spec.nodeName") }

// nameless says whether addresses changed without a word of whose they are.
func nameless(c *ObjectChange) bool {
	return (c.Kind == "Endpoints" || c.Kind == "EndpointSlice") && len(c.Refs) == 0 && c.Verb != event.ChangeDelete
}

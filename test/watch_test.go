package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// testWatch holds the screen of changes against kubectl: what a scale leads to
// and who did each step, a kind that did not exist before, and that no value of
// a Secret is in the journal.
func testWatch(t *testing.T, lab *harness.Lab) {
	lab.Kubectl("create", "namespace", "watched")
	// What is left of it would be in what the next test breaks.
	t.Cleanup(func() { lab.Kubectl("delete", "namespace", "watched", "--timeout=2m") })
	together(t, lab, part{"Scale", testScaleChain}, part{"CustomResources", testCustomResource}, part{"Secrets", testSecretsStay})
	together(t, lab, part{"Failover", testWatchFailover})
	together(t, lab, part{"Compaction", testWatchCompaction})
}

// object is what the test reads of an object.
type object struct {
	Metadata struct {
		Name, UID, ResourceVersion string
		ManagedFields              []struct{ Manager, Subresource string }
	}
	Spec struct{ Replicas int }
}

func testScaleChain(t *testing.T, lab *harness.Lab) {
	lab.Kubectl("-n", "watched", "create", "deployment", "web", "--image=workbench.local/demo:1")
	lab.Kubectl("-n", "watched", "expose", "deployment", "web", "--port=80")
	lab.Kubectl("-n", "watched", "wait", "--for=condition=available", "deploy/web", "--timeout=120s")
	lab.Kubectl("-n", "watched", "scale", "deploy/web", "--replicas=2")
	var deployment object
	lab.Object(&deployment, "-n", "watched", "deploy", "web")
	// The chain, link by link: who must have done it, and how it is told apart.
	links := []struct {
		lane string
		is   func(*state.ObjectChange) bool
	}{
		{"user", func(c *state.ObjectChange) bool {
			return c.UID == deployment.Metadata.UID && has(c, "spec.replicas", "1", "2")
		}},
		{"deploy", func(c *state.ObjectChange) bool { return c.Kind == "ReplicaSet" && has(c, "spec.replicas", "1", "2") }},
		{"rs", func(c *state.ObjectChange) bool { return c.Kind == "Pod" && c.Verb == event.ChangeCreate }},
		{"scheduler", func(c *state.ObjectChange) bool { return c.Kind == "Pod" && set(c, "spec.nodeName") }},
		{"kubelet", func(c *state.ObjectChange) bool {
			return c.Kind == "Pod" && has(c, "status.conditions[Ready].status", "False", "True")
		}},
		{"eps", func(c *state.ObjectChange) bool { return c.Kind == "EndpointSlice" && len(c.Refs) > 0 }},
	}
	found := make([]state.ObjectChange, len(links))
	lab.Await("the chain of a scale, each link with its writer and cause", func(w *state.World) bool {
		c := &w.Changes
		next := 0
		for i := range c.List {
			one := &c.List[i]
			if next < len(links) && one.Namespace == "watched" && links[next].is(one) {
				if a := one.Actor(); !a.Sure || a.Lane != links[next].lane {
					return false // the audit record may still come
				}
				found[next] = *one
				next++
			}
		}
		if next < len(links) {
			return false
		}
		last := c.At(found[len(found)-1].Revision, found[len(found)-1].UID)
		chain := append(c.Causes(last), last)
		for _, f := range found {
			if !slices.ContainsFunc(chain, func(i int) bool { return c.List[i].Revision == f.Revision }) {
				return false
			}
		}
		return true
	})
	by := found[0].By
	if by.User != "kubernetes-admin" || by.Verb != "patch" || by.Subresource != "scale" || by.Code != 200 || !strings.HasPrefix(by.Agent, "kubectl/") {
		t.Errorf("the scale is told as %+v", by)
	}
	agree(t, lab)
}

// agree compares the newest change of every pod with kubectl.
func agree(t *testing.T, lab *harness.Lab) {
	t.Helper()
	lab.Await("the newest changes to be what kubectl says", func(w *state.World) bool {
		var pods struct{ Items []object }
		lab.Object(&pods, "-n", "watched", "pods", "--show-managed-fields")
		if len(pods.Items) != 2 {
			return false
		}
		for _, p := range pods.Items {
			history := w.Changes.History(p.Metadata.UID)
			if len(history) == 0 {
				return false
			}
			last := w.Changes.List[history[len(history)-1]]
			if fmt.Sprint(last.Revision) != p.Metadata.ResourceVersion {
				return false // kubectl is ahead of this world
			}
			if !slices.ContainsFunc(p.Metadata.ManagedFields, func(m struct{ Manager, Subresource string }) bool { return m.Manager == last.Manager }) {
				t.Errorf("%s: %q is no manager of it: %v", p.Metadata.Name, last.Manager, p.Metadata.ManagedFields)
			}
		}
		return true
	})
}

func has(c *state.ObjectChange, path, old, now string) bool {
	return slices.ContainsFunc(c.Fields, func(f event.FieldChange) bool { return f.Path == path && f.Old == old && f.New == now })
}

func set(c *state.ObjectChange, path string) bool {
	return slices.ContainsFunc(c.Fields, func(f event.FieldChange) bool { return f.Path == path && f.Old == "" && f.New != "" })
}

func testCustomResource(t *testing.T, lab *harness.Lab) {
	lab.Apply(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets, singular: widget}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`)
	t.Cleanup(func() { lab.Kubectl("delete", "crd", "widgets.example.com", "--wait=false") })
	lab.Kubectl("wait", "--for=condition=established", "crd/widgets.example.com", "--timeout=60s")
	const widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: one, namespace: watched}\nspec: {size: %d}\n"
	lab.Apply(fmt.Sprintf(widget, 3))
	lab.Apply(fmt.Sprintf(widget, 4))
	lab.Await("changes of a kind that was installed just now", func(w *state.World) bool {
		return slices.ContainsFunc(w.Changes.List, func(c state.ObjectChange) bool {
			return c.Group == "example.com" && c.Resource == "widgets" && c.Kind == "Widget" && c.Name == "one" && has(&c, "spec.size", "3", "4") &&
				c.By != nil && c.By.User == "kubernetes-admin"
		})
	})
}

func testSecretsStay(t *testing.T, lab *harness.Lab) {
	const canary = "canary-%s-5f1c7e"
	value := func(how string) string { return fmt.Sprintf(canary, how) }
	encoded := func(how string) string { return base64.StdEncoding.EncodeToString([]byte(value(how))) }
	lab.Kubectl("-n", "watched", "create", "secret", "generic", "s", "--from-literal=password="+value("create"))
	lab.Apply("apiVersion: v1\nkind: Secret\nmetadata: {name: applied, namespace: watched}\nstringData: {password: " + value("apply") + "}\n")
	lab.Kubectl("-n", "watched", "patch", "secret", "s", "-p", `{"data":{"password":"`+encoded("patch")+`"}}`)
	lab.Kubectl("-n", "watched", "delete", "secret", "s")
	lab.Await("the changes of the Secrets", func(w *state.World) bool {
		seen := map[event.ChangeVerb]bool{}
		for _, c := range w.Changes.List {
			if c.Kind == "Secret" && c.Namespace == "watched" && c.By != nil {
				seen[c.Verb] = true
			}
		}
		return seen[event.ChangeCreate] && seen[event.ChangeUpdate] && seen[event.ChangeDelete]
	})
	raw, err := json.Marshal(lab.Events(0))
	if err != nil {
		t.Fatal(err)
	}
	world, err := json.Marshal(lab.World())
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"create", "apply", "patch"} {
		for _, text := range []string{value(how), encoded(how), strings.TrimRight(encoded(how), "=")[:16]} {
			if bytes.Contains(raw, []byte(text)) || bytes.Contains(world, []byte(text)) {
				t.Errorf("the value that was put by %s is in the journal or the world as %q", how, text)
			}
		}
	}
}

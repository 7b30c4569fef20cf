package watch

import (
	"strings"

	"workbench/cluster/event"
	"workbench/ui/screen"
)

// target is how kubectl names an object.
func target(r *row) (args []string, ok bool) {
	resource, group, namespace, name := "", "", r.namespace(), ""
	if c := r.change; c != nil {
		resource, group, name = c.Resource, c.Group, c.Name
	} else {
		resource, group, name = r.aside.Resource, r.aside.Group, r.aside.Name
	}
	if group != "" {
		resource += "." + group
	}
	args = []string{resource, name}
	if namespace != "" {
		args = append(args, "-n", namespace)
	}
	return args, name != ""
}

// yaml shows the object as it is now. Of a Secret kubectl describes what is in
// it without the values.
func yaml(r *row) screen.Intent {
	args, ok := target(r)
	switch {
	case r.lookup != nil:
		return screen.Note{Text: "a lookup is no object; k says how to ask again"}
	case !ok:
		return screen.Note{Text: "the request names no object"}
	case r.change != nil && deleted(r.change):
		return screen.Note{Text: r.object() + " is deleted; its changes are what is left"}
	case args[0] == "secrets":
		return screen.Page{Title: r.object() + " without its values", Args: append([]string{"kubectl", "describe"}, args...)}
	}
	return screen.Page{Title: "yaml " + r.object() + " now", Args: append([]string{"kubectl", "get", "-o", "yaml"}, args...)}
}

// kubectl is a command that does what the change did, or else one that shows it.
func kubectl(r *row) string {
	if l := r.lookup; l != nil {
		namespace, pod, ok := strings.Cut(l.Pod, "/")
		if !ok {
			return "nslookup " + l.Name + "   (asked from " + l.Client + ", which is no pod's)"
		}
		return "kubectl exec -n " + namespace + " " + pod + " -- nslookup " + l.Name
	}
	args, ok := target(r)
	if !ok {
		return "kubectl has no word for it: the request names no object"
	}
	object := strings.Join(args, " ")
	c := r.change
	if c == nil {
		return "kubectl " + r.aside.Verb + " " + object
	}
	slash := strings.Replace(object, " ", "/", 1)
	switch c.Verb {
	case event.ChangeDelete:
		return "kubectl delete " + object
	case event.ChangeCreate:
		return "kubectl create -f " + c.Name + ".yaml   see it: kubectl get " + object + " -o yaml"
	}
	for _, f := range c.Fields {
		switch {
		case f.Path == "metadata.deletionTimestamp":
			return "kubectl delete " + object
		case f.Path == "spec.replicas":
			return "kubectl scale " + slash + " --replicas=" + f.New
		case f.Path == "spec.unschedulable" && f.New == "true":
			return "kubectl cordon " + c.Name
		case f.Path == "spec.unschedulable":
			return "kubectl uncordon " + c.Name
		case f.Path == "spec.nodeName":
			return "no kubectl command binds a pod: the scheduler posts to pods/" + c.Name + "/binding; see: kubectl get " + object + " -o wide"
		case strings.HasSuffix(f.Path, "].image") && strings.Contains(f.Path, "containers["):
			_, rest, _ := strings.Cut(f.Path, "containers[")
			container, _, _ := strings.Cut(rest, "]")
			return "kubectl set image " + slash + " " + container + "=" + f.New
		case strings.HasPrefix(f.Path, "status."):
			return "kubectl get " + object + " --subresource=status -o yaml   (controllers write status; kubectl edit --subresource=status could)"
		}
	}
	if len(c.Fields) > 0 {
		for _, part := range []struct{ path, verb string }{{"metadata.labels", "label"}, {"metadata.annotations", "annotate"}} {
			if rest, ok := strings.CutPrefix(c.Fields[0].Path, part.path); ok {
				name := strings.Trim(rest, ".[]")
				if c.Fields[0].New == "" {
					return "kubectl " + part.verb + " " + object + " " + name + "-"
				}
				return "kubectl " + part.verb + " " + object + " " + name + "=" + c.Fields[0].New + " --overwrite"
			}
		}
	}
	return "kubectl edit " + object
}

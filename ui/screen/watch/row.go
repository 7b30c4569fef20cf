package watch

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/filter"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// row is one line of the list: a change, or a write that changed nothing.
type row struct {
	change *state.ObjectChange
	aside  *state.Request
	// lookup is set for what the name service was asked; aside then has who asked.
	lookup *state.Lookup
	at     time.Time
}

// id tells rows apart: a revision and UID, or an audit ID.
type id struct {
	revision int64
	uid      string
	request  string
}

func (r *row) id() id {
	if r.change != nil {
		return id{revision: r.change.Revision, uid: r.change.UID}
	}
	return id{request: r.aside.ID}
}

func (r *row) actor() state.Actor {
	if r.lookup != nil {
		return state.Actor{Lane: "dns", Name: r.lookup.Node, Sure: true}
	}
	if r.change != nil {
		return r.change.Actor()
	}
	return r.aside.Actor()
}

// keys are those of the filter language.
func keys() []filter.Key {
	return []filter.Key{
		{Name: "kind", Aliases: []string{"resource", "k"}, Help: "kind:pod,deploy"},
		{Name: "ns", Aliases: []string{"namespace", "n"}, Help: "ns:demo"},
		{Name: "name", Help: "name:web-*"},
		{Name: "verb", Help: "verb:create,delete"},
		{Name: "user", Aliases: []string{"by"}, Help: "user:~kubelet"},
		{Name: "lane", Aliases: []string{"actor"}, Help: "lane:sched"},
		{Name: "agent", Help: "agent:~kubectl"},
		{Name: "manager", Help: "manager:kubelet"},
		{Name: "field", Aliases: []string{"path"}, Help: "field:~replicas"},
		{Name: "owner", Help: "owner:~web"},
		{Name: "api", Help: "api:c1 (API server)"},
		{Name: "uid", Help: "uid:6f0c*"},
		{Name: "rv", Aliases: []string{"revision"}, Number: true, Help: "rv:410..420"},
		{Name: "code", Number: true, Help: "code:>=400"},
		{Name: "dns", Help: "dns:~shop (lookups)"},
		{Name: "took", Number: true, Help: "took:>100ms"},
	}
}

// Values implements filter.Row.
func (r *row) Values(key string) []string {
	if r.lookup != nil {
		return lookupValues(r.lookup, key)
	}
	switch key {
	case "user":
		a := r.actor()
		user := []string{a.Lane, a.Name}
		if w := r.writer(); w != nil {
			user = append(user, w.User, w.As)
		}
		return user
	case "lane":
		return []string{r.actor().Lane, laneTitle(r.actor().Lane)}
	}
	if w := r.writer(); w != nil {
		switch key {
		case "agent":
			return []string{w.Agent}
		case "code":
			return []string{strconv.Itoa(int(w.Code))}
		case "took":
			return []string{w.Latency.String()}
		case "api":
			return []string{w.Node}
		}
	}
	if r.change == nil {
		return asideValues(r.aside, key)
	}
	c := r.change
	switch key {
	case "kind":
		return []string{c.Kind, c.Resource, kindName(c.Kind, c.Resource), strings.TrimSuffix(c.Resource, "s"), c.Resource + "." + c.Group}
	case "ns":
		return []string{c.Namespace}
	case "name":
		return []string{c.Name}
	case "verb":
		if c.By != nil {
			return []string{string(c.Verb), c.By.Verb}
		}
		return []string{string(c.Verb)}
	case "manager":
		return []string{c.Manager}
	case "uid":
		return []string{c.UID}
	case "rv":
		return []string{strconv.FormatInt(c.Revision, 10)}
	case "field":
		out := make([]string, len(c.Fields))
		for i, f := range c.Fields {
			out[i] = f.Path
		}
		return out
	case "owner":
		var out []string
		for _, o := range c.Owners {
			out = append(out, o.Name, strings.ToLower(o.Kind)+"/"+o.Name)
		}
		return out
	}
	return nil
}

func asideValues(r *state.Request, key string) []string {
	switch key {
	case "kind":
		return []string{r.Resource, strings.TrimSuffix(r.Resource, "s"), kindName("", r.Resource)}
	case "ns":
		return []string{r.Namespace}
	case "name":
		return []string{r.Name}
	case "verb":
		return []string{r.Verb}
	}
	return nil
}

// writer is the request of the row, or nil.
func (r *row) writer() *state.Writer {
	if r.change != nil {
		return r.change.By
	}
	a := r.aside
	return &state.Writer{ID: a.ID, Node: a.Node, Verb: a.Verb, Subresource: a.Subresource, User: a.User, As: a.As, Agent: a.Agent,
		Source: a.Source, Code: a.Code, Latency: a.Latency}
}

// Text implements filter.Row.
func (r *row) Text() string {
	if r.lookup != nil {
		return lookupText(r.lookup)
	}
	var b strings.Builder
	if c := r.change; c != nil {
		b.WriteString(kindName(c.Kind, c.Resource) + "/" + c.Name + " " + c.Namespace + " " + c.Kind + " " + string(c.Verb) + " " + c.Manager)
		for _, f := range c.Fields {
			b.WriteString(" " + f.Path + " " + f.Old + " > " + f.New)
		}
	} else {
		b.WriteString(r.aside.Resource + "/" + r.aside.Name + " " + r.aside.Namespace + " " + r.aside.Verb + " " + r.aside.Reason)
	}
	if w := r.writer(); w != nil {
		b.WriteString(" " + w.User + " " + w.As + " " + w.Agent)
	}
	return b.String()
}

// rows are those that pass filter and fold, in order; folded counts the Events
// and idle writes that the fold hides.
func (s *Watch) rows(cx *screen.Context) (out []row, folded int) {
	f, _ := filter.Parse(cx.Filter, keys())
	changes := &cx.World.Changes
	out = make([]row, 0, len(changes.List))
	aside := 0
	takeAside := func(until time.Time, all bool) {
		for ; aside < len(changes.Aside); aside++ {
			r := row{aside: &changes.Aside[aside]}
			r.at = r.aside.Received.Add(r.aside.Latency)
			if !all && r.at.After(until) {
				return
			}
			switch {
			case !s.unfolded && (r.aside.Code < 400 || r.aside.Resource == "events" || r.actor().Lane != "user"):
				folded++
			case f.Match(&r):
				out = append(out, r)
			}
		}
	}
	for i := range changes.List {
		c := &changes.List[i]
		takeAside(c.At, false)
		r := row{change: c, at: c.At}
		switch {
		case !s.unfolded && c.Kind == "Event":
			folded++
		case f.Empty() || f.Match(&r):
			out = append(out, r)
		}
	}
	takeAside(time.Time{}, true)
	return withLookups(out, cx, f), folded
}

// kindNames are the short names that kubectl knows kinds by.
var kindNames = map[string]string{
	"Deployment": "deploy", "ReplicaSet": "rs", "StatefulSet": "sts", "DaemonSet": "ds", "EndpointSlice": "slice", "Endpoints": "ep",
	"Service": "svc", "ConfigMap": "cm", "Namespace": "ns", "ServiceAccount": "sa", "PersistentVolume": "pv", "PersistentVolumeClaim": "pvc",
	"HorizontalPodAutoscaler": "hpa", "PodDisruptionBudget": "pdb", "Ingress": "ing", "CustomResourceDefinition": "crd",
	"ReplicationController": "rc", "CertificateSigningRequest": "csr",
}

// kindName is how an object's kind is written before its name.
func kindName(kind, resource string) string {
	if short, ok := kindNames[kind]; ok {
		return short
	}
	return strings.ToLower(cmp.Or(kind, strings.TrimSuffix(resource, "s")))
}

// object names what a row is about: pod/web-1.
func (r *row) object() string {
	if r.lookup != nil {
		return "dns"
	}
	if c := r.change; c != nil {
		return kindName(c.Kind, c.Resource) + "/" + widget.Clean(c.Name)
	}
	name := r.aside.Resource
	if r.aside.Subresource != "" {
		name += "/" + r.aside.Subresource
	}
	if r.aside.Name != "" {
		name += " " + widget.Clean(r.aside.Name)
	}
	return name
}

func (r *row) namespace() string {
	if r.change != nil {
		return r.change.Namespace
	}
	return r.aside.Namespace
}

// deleted says whether the row is of an object that went.
func deleted(c *state.ObjectChange) bool { return c.Verb == event.ChangeDelete }

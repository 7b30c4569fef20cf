package watch

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/widget"
)

// words say in a few words what a row did.
func (r *row) words() string {
	if r.lookup != nil {
		return lookupWords(r.lookup)
	}
	if r.aside != nil {
		a := r.aside
		if a.Code >= 400 {
			reason := a.Reason
			if reason == "" {
				reason = http.StatusText(int(a.Code))
			}
			return fmt.Sprintf("%s refused: %d %s", a.Verb, a.Code, reason)
		}
		return a.Verb + ": nothing changed"
	}
	c := r.change
	if c.Found {
		return "found so; how it changed is in the gap"
	}
	switch c.Verb {
	case event.ChangeCreate:
		text := "ADDED"
		if len(c.Owners) > 0 {
			text += "  owner " + kindName(c.Owners[0].Kind, "") + "/" + c.Owners[0].Name
		}
		return text + notable(c.Fields, "type", "reason", "message")
	case event.ChangeDelete:
		if c.By == nil && c.Expires {
			return "DELETED  its time to live in etcd ended?"
		}
		return "DELETED"
	}
	return summary(c)
}

// notable are the values of some fields of an Event and the like.
func notable(fields []event.FieldChange, names ...string) string {
	text := ""
	for _, f := range fields {
		if slices.Contains(names, f.Path) {
			text += "  " + widget.Clean(f.New)
		}
	}
	return text
}

// quiet are fields that change with others and say nothing by themselves.
func quiet(path string) bool {
	for _, end := range []string{"Time", "observedGeneration", ".reason", ".message", "Timestamp", "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]"} {
		if strings.HasSuffix(path, end) && path != "metadata.deletionTimestamp" {
			return true
		}
	}
	return false
}

// summary are the fields that matter most, as far as they fit.
func summary(c *state.ObjectChange) string {
	fields := slices.Clone(c.Fields)
	slices.SortStableFunc(fields, func(a, b event.FieldChange) int { return rank(a.Path) - rank(b.Path) })
	var parts []string
	for _, f := range fields {
		if quiet(f.Path) && len(parts) > 0 {
			continue
		}
		parts = append(parts, short(f))
		if len(parts) == 4 {
			break
		}
	}
	switch {
	case len(parts) == 0 && c.Omitted > 0:
		return widget.Plural(c.Omitted, "field") + " changed"
	case len(parts) == 0:
		return "only managedFields changed"
	}
	return strings.Join(parts, "  ")
}

// rank orders fields by how much they tell: the least first.
func rank(path string) int {
	switch {
	case path == "metadata.deletionTimestamp":
		return 0
	case quiet(path):
		return 9
	case path == "spec.replicas", path == "spec.nodeName", path == "spec.unschedulable":
		return 1
	case strings.HasPrefix(path, "spec."):
		return 2
	case strings.HasPrefix(path, "status.conditions[Ready"), path == "status.phase":
		return 3
	case strings.HasPrefix(path, "data"), strings.HasPrefix(path, "endpoints"):
		return 3
	case strings.HasPrefix(path, "status.conditions["), path == "status.podIP":
		return 4
	case strings.HasPrefix(path, "metadata."):
		return 6
	}
	return 5
}

// short is one difference in few words: replicas 2>3.
func short(f event.FieldChange) string {
	if f.Path == "metadata.deletionTimestamp" {
		return "marked for deletion"
	}
	name := shortPath(f.Path)
	for _, cut := range []string{"spec.", "status.", "metadata."} {
		name = strings.TrimPrefix(name, cut)
	}
	if strings.HasPrefix(name, "conditions[") && strings.Count(name, ".") == 0 {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "conditions["), "]")
	}
	old, now := widget.Clip(widget.Clean(f.Old), 24), widget.Clip(widget.Clean(f.New), 40)
	switch {
	case f.Old == "" && strings.HasPrefix(f.New, "{") || strings.HasPrefix(f.New, "["):
		return "+" + name
	case f.Old == "":
		return "+" + name + " " + now
	case f.New == "":
		return "-" + name
	}
	return name + " " + old + ">" + now
}

// shortPath leaves out of a path what goes without saying.
func shortPath(path string) string {
	if rest, ok := strings.CutPrefix(path, "status.conditions["); ok {
		return "conditions[" + strings.TrimSuffix(rest, ".status")
	}
	return path
}

// delta is a time from the origin in a column of seven: +410, +12.3s, -3m.
func delta(d time.Duration) string {
	sign := "+"
	if d < 0 {
		sign, d = "-", -d
	}
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%s%d", sign, d.Milliseconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%s%.1fs", sign, d.Seconds())
	}
	return sign + widget.Age(d)
}

// asked says who asked for a change, and how it went.
func asked(w *state.Writer) string {
	user := w.User
	if w.As != "" {
		user += " as " + w.As
	}
	verb := w.Verb
	if w.Subresource != "" {
		verb += " " + w.Subresource
	}
	return fmt.Sprintf("%s · %s · %s · %d in %s · API server %s · %s", user, agent(w.Agent), verb, w.Code, widget.Short(w.Latency), w.Node, w.Source)
}

// agent is the program that a user agent names.
func agent(text string) string {
	if text == "" {
		return "no agent"
	}
	return widget.Clean(state.Program(text))
}

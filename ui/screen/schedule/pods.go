package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// podRow is a pod in the list.
type podRow struct {
	key   string
	at    time.Time // of the last thing that happened to it here
	last  *state.Cycle
	tries int
	queue event.SchedQueued // zero when it is in no queue
	// pod is the pod as the API has it, where no scheduler told of it.
	pod *event.KubePod
}

// pods are those that a scheduler worked on or has in a queue, and pending ones
// that none has told of; the last touched first.
func (s *Schedule) pods(cx *screen.Context) []podRow {
	rows := map[string]*podRow{}
	get := func(key string) *podRow {
		if rows[key] == nil {
			rows[key] = &podRow{key: key}
		}
		return rows[key]
	}
	for _, c := range cx.World.Sched.Cycles {
		r := get(c.Pod.Key())
		r.last, r.at, r.tries = c, c.At, r.tries+1
	}
	for _, q := range cx.World.Sched.Queues.Pods {
		r := get(q.Pod.Key())
		r.queue = q
		if q.Since.After(r.at) {
			r.at = q.Since
		}
	}
	for key, p := range cx.World.Kube.Pods {
		waits := p.Phase == "Pending" && p.Node == ""
		if (waits || key == cx.Selection.Pod) && rows[key] == nil { // one that another screen selected is shown in any case
			r := get(key)
			r.pod, r.at = p, p.Created
		}
	}
	out := make([]podRow, 0, len(rows))
	for _, r := range rows {
		if r.matches(cx) {
			out = append(out, *r)
		}
	}
	slices.SortFunc(out, func(a, b podRow) int {
		if c := b.at.Compare(a.at); c != 0 {
			return c
		}
		return strings.Compare(a.key, b.key)
	})
	return out
}

// matches applies the namespace and the filter: on the pod, its node, its
// state and the plugins that rejected it.
func (r *podRow) matches(cx *screen.Context) bool {
	namespace, _, _ := strings.Cut(r.key, "/")
	if cx.Selection.Namespace != "" && namespace != cx.Selection.Namespace {
		return false
	}
	if cx.Filter == "" {
		return true
	}
	text := r.key + " " + r.word(cx).Word + " " + strings.Join(r.queue.Plugins, " ")
	if r.last != nil {
		text += " " + r.last.Node + " " + r.last.Profile + " " + r.last.Message
	}
	return strings.Contains(strings.ToLower(text), strings.ToLower(cx.Filter))
}

func selected(pods []podRow, cx *screen.Context) int {
	at := slices.IndexFunc(pods, func(r podRow) bool { return r.key == cx.Selection.Pod })
	if at < 0 && len(pods) > 0 {
		return 0
	}
	return at
}

// word is the state of a pod as far as scheduling goes.
func (r *podRow) word(cx *screen.Context) widget.Lamp {
	st := cx.Styles
	switch r.queue.Place {
	case event.SchedActive:
		return widget.Lamp{Glyph: "◐", Style: st.Busy, Word: "queued"}
	case event.SchedInFlight:
		return widget.Lamp{Glyph: "◐", Style: st.Busy, Word: "in flight"}
	case event.SchedBackoff:
		return widget.Lamp{Glyph: "↻", Style: st.Warn, Word: "backs off"}
	case event.SchedGated:
		return widget.Lamp{Glyph: "‖", Style: st.Paused, Word: "gated"}
	case event.SchedParked:
		return widget.Lamp{Glyph: "✗", Style: st.Bad, Word: "unschedulable"}
	}
	switch {
	case r.pod != nil && r.pod.Node != "":
		return widget.Lamp{Glyph: "·", Style: st.Muted, Word: "not seen"}
	case r.last == nil:
		return widget.Lamp{Glyph: "○", Style: st.Warn, Word: "not taken up"}
	case r.last.Bind.Outcome == event.SchedBound:
		return widget.Lamp{Glyph: "●", Style: st.OK, Word: "bound"}
	case r.last.Bind.Outcome != "":
		return widget.Lamp{Glyph: "✗", Style: st.Bad, Word: "not bound"}
	case r.last.Outcome == event.SchedScheduled:
		return widget.Lamp{Glyph: "◐", Style: st.Busy, Word: "binding"}
	case r.last.Outcome == event.SchedWaiting:
		return widget.Lamp{Glyph: "‖", Style: st.Paused, Word: "waits in Permit"}
	case r.last.Outcome == event.SchedError:
		return widget.Lamp{Glyph: "✗", Style: st.Bad, Word: "error"}
	}
	return widget.Lamp{Glyph: "✗", Style: st.Bad, Word: "unschedulable"}
}

func (s *Schedule) drawPods(surface widget.Surface, cx *screen.Context, pods []podRow) {
	st := cx.Styles
	t := widget.Table{Focused: true, Zone: "pod/", Selected: selected(pods, cx), Empty: "no pod was scheduled yet", Columns: []widget.Column{
		{Title: "POD", Grow: true}, {Title: "STATE"}, {Title: "TRIES", Right: true, Drop: 2}, {Title: "NODE"},
		{Title: "CYCLE", Right: true, Drop: 4}, {Title: "AGO", Right: true, Drop: 1}, {Title: "PROFILE", Drop: 5},
	}}
	if cx.Filter != "" {
		t.Empty = "none passes the filter; esc clears it"
	}
	for _, r := range pods {
		lamp := r.word(cx)
		node, took, profile, tries := "-", "-", "-", r.queue.Attempts
		if r.pod != nil && r.pod.Node != "" {
			node = r.pod.Node
		}
		if r.last != nil {
			took, profile, tries = widget.Short(r.last.Took), r.last.Profile, max(r.last.Attempt, tries)
			if r.last.Node != "" {
				node = r.last.Node
			}
		}
		text := func(v string) widget.Cell { return widget.Cell{Text: v, Style: st.Text} }
		t.Rows = append(t.Rows, []widget.Cell{
			{Text: r.key, Style: st.Strong}, {Text: lamp.Glyph + " " + lamp.Word, Style: lamp.Style}, text(fmt.Sprint(tries)),
			text(node), text(took), text(widget.Since(cx.Now, r.at)), {Text: profile, Style: st.Muted},
		})
	}
	t.Draw(surface, st)
}

package schedule

import (
	"fmt"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

const (
	activePlace = event.SchedActive
	flightPlace = event.SchedInFlight
)

func places() []event.SchedPlace {
	return []event.SchedPlace{event.SchedActive, event.SchedBackoff, event.SchedParked, event.SchedGated, event.SchedInFlight}
}

// stale says why the queues may not be as they were told: "" when they are.
func stale(cx *screen.Context) string {
	n := cx.World.Nodes[cx.World.Sched.Queues.Instance]
	if n == nil {
		return ""
	}
	if n.State == event.NodeKilled || n.State == event.NodeStopped || n.State == event.NodePaused {
		return " (node " + string(n.State) + ")"
	}
	if c := n.Components["kube-scheduler"]; c != nil && (c.State == event.ComponentExited || c.State == event.ComponentStopped || c.State == event.ComponentPaused) {
		return " (" + string(c.State) + ")"
	}
	return ""
}

// drawQueues draws the queues of the scheduler that led last.
func (s *Schedule) drawQueues(surface widget.Surface, cx *screen.Context) {
	w, h := surface.Size()
	st, sched := cx.Styles, &cx.World.Sched
	title := "Queues"
	if !sched.QueuesAt.IsZero() {
		title += " of " + sched.Queues.Instance + stale(cx) + "  since " + sched.QueuesAt.Local().Format("15:04:05.0")
	}
	surface.Rule(0, st, title)
	p := &page{width: w - 2}
	for _, place := range places() {
		n := sched.Queues.Counts[place]
		style := st.Strong
		if n == 0 {
			style = st.Muted
		}
		p.add(span{1, style, fmt.Sprintf("%s %d", place, n)}, span{18, st.Muted, meaning(place)})
		for _, q := range sched.Queues.Pods {
			if q.Place == place {
				s.queued(p, cx, q)
			}
		}
	}
	if n := sched.Queues.Unlisted; n > 0 {
		p.add(span{1, st.Muted, fmt.Sprintf("and %d more that are only counted", n)})
	}
	p.draw(surface.Sub(0, 1, w, h-1), st, s.queueScroll(cx, h-1, len(p.lines)))
}

// queueScroll lets the scroll keys move the queues where they are alone.
func (s *Schedule) queueScroll(cx *screen.Context, h, lines int) int {
	if s.pane != queuesPane || cx.Room >= screen.Three {
		return 0
	}
	return min(s.scroll, max(lines-h, 0))
}

func meaning(place event.SchedPlace) string {
	switch place {
	case event.SchedActive:
		return "next to be tried"
	case event.SchedBackoff:
		return "to be tried when their time is over"
	case event.SchedParked:
		return "no node fits; each waits for an event"
	case event.SchedGated:
		return "held by a plugin before they are tried"
	default:
		return "being tried now"
	}
}

func (s *Schedule) queued(p *page, cx *screen.Context, q event.SchedQueued) {
	st := cx.Styles
	style := st.Text
	if q.Pod.Key() == cx.Selection.Pod {
		style = st.Strong
	}
	detail := []string{}
	if q.Attempts > 0 {
		detail = append(detail, "tried "+widget.Plural(q.Attempts, "time"))
	}
	if !q.Since.IsZero() {
		detail = append(detail, widget.Since(cx.Now, q.Since))
	}
	if q.Place == event.SchedBackoff && !q.Until.IsZero() {
		detail = append(detail, "until "+q.Until.Local().Format("15:04:05.0")+left(cx.Now, q.Until))
	}
	if len(q.Plugins) > 0 {
		by := "rejected by "
		if q.Place == event.SchedGated {
			by = "held by "
		}
		detail = append(detail, by+strings.Join(q.Plugins, ", "))
	}
	p.add(span{3, style, q.Pod.Key()}, span{-1, st.Muted, "  " + strings.Join(detail, "  ")})
	if q.Place != event.SchedParked && q.Place != event.SchedGated {
		return
	}
	for _, plugin := range q.Plugins {
		events := cx.World.Sched.WaitsFor(plugin)
		text := strings.Join(events, ", ")
		if len(events) == 0 {
			text = "a change of the pod itself"
		}
		p.words(5, span{5, themes.Style{}, ""}, st.Muted, plugin+" waits for "+text)
	}
}

func left(now, until time.Time) string {
	if d := until.Sub(now); d > 0 {
		return " (" + widget.Seconds(d) + ")"
	}
	return ""
}

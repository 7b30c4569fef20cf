package schedule

import (
	"fmt"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// why says in words how it stands with a pod: why it is where it is, or why it
// is pending and what it waits for.
func (s *Schedule) why(p *page, cx *screen.Context, pod string, c *state.Cycle) {
	text, style := explain(cx, pod, c, s.behind(cx) == 0)
	p.words(6, span{1, cx.Styles.Title, "WHY"}, style, text)
}

func explain(cx *screen.Context, pod string, c *state.Cycle, newest bool) (string, themes.Style) {
	st := cx.Styles
	if c == nil {
		if text := elsewhere(cx, pod); text != "" {
			return text, st.Muted
		}
		return untried(cx, pod), st.Warn
	}
	var text string
	style := st.Text
	switch c.Outcome {
	case event.SchedScheduled, event.SchedWaiting:
		text = chosen(c)
		if c.Bind.Outcome != "" && c.Bind.Outcome != event.SchedBound {
			text, style = text+" But it could not be bound: "+c.Bind.Message+".", st.Bad
		}
		if c.Outcome == event.SchedWaiting && c.Bind.Outcome == "" {
			text, style = text+" A Permit plugin holds it back: "+c.Message+".", st.Warn
		}
	case event.SchedError:
		text, style = "The attempt ended with an error: "+c.Message+".", st.Bad
	default:
		text, style = rejected(c), st.Bad
	}
	if !newest {
		return text, style
	}
	return text + next(cx, pod), style
}

// chosen is why a node was chosen.
func chosen(c *state.Cycle) string {
	d := &decision{c: c, screen: New()}
	d.order()
	rows := d.scored()
	fits := fmt.Sprintf("%d of %s looked at could take it", c.Feasible, widget.Plural(c.Evaluated, "node"))
	switch {
	case len(rows) == 0:
		return fmt.Sprintf("On %s: %s; %s.", c.Node, fits, d.unscored())
	case len(c.Ties) > 0:
		return fmt.Sprintf("On %s: %s; it has %d points, as %s. Chance decided.", c.Node, fits, rows[0].Total, strings.Join(c.Ties[:min(len(c.Ties), 4)], ", ")+more(len(c.Ties)-4))
	case len(rows) < 2:
		return fmt.Sprintf("On %s: %s.", c.Node, fits)
	}
	text := fmt.Sprintf("On %s: %s; it has %d points, %d more than %s.", c.Node, fits, rows[0].Total, rows[0].Total-rows[1].Total, d.node(rows[1]))
	if i := d.decider(); i >= 0 {
		text += " " + c.Plugins[c.Scorers[i].Plugin] + " set it apart most."
	}
	return text
}

// rejected is why no node was found, from what was counted over all nodes.
func rejected(c *state.Cycle) string {
	if len(c.Tallies) == 0 {
		if c.Message == "" {
			return "No node fits."
		}
		return "Pending: " + c.Message
	}
	d := &decision{c: c}
	var parts []string
	for _, t := range c.Tallies {
		by := "an extender"
		if t.Plugin >= 0 {
			by = c.Plugins[t.Plugin]
		}
		reason := "rejected"
		if t.Reason >= 0 {
			reason = d.reasons([]int{t.Reason})
		}
		parts = append(parts, fmt.Sprintf("%s: %s (%s)", widget.Plural(t.Nodes, "node"), reason, by))
	}
	return fmt.Sprintf("No node of %d fits. %s.", c.AllNodes, strings.Join(parts, "; "))
}

// next is where a pod is now and what it waits for.
func next(cx *screen.Context, pod string) string {
	q, ok := cx.World.Sched.Queued(pod)
	if !ok {
		if cx.World.Kube.Pods[pod] == nil {
			return " The pod is gone."
		}
		return ""
	}
	now := ""
	if s := stale(cx); s != "" {
		now = " (as told before " + cx.World.Sched.Queues.Instance + " was lost" + s + ")"
	}
	switch q.Place {
	case event.SchedBackoff:
		return " It was woken and backs off until " + q.Until.Local().Format("15:04:05.0") + left(cx.Now, q.Until) + now + "."
	case event.SchedActive:
		return " It is queued to be tried again" + now + "."
	case event.SchedInFlight:
		return " It is being tried now" + now + "."
	case event.SchedGated:
		return " It is held by " + strings.Join(q.Plugins, ", ") + now + "."
	}
	if len(q.Plugins) == 0 {
		return " It waits" + now + "."
	}
	return " It waits for an event that " + strings.Join(q.Plugins, " or ") + " listens to" + now + "; tab shows which."
}

// untried is why no attempt is known.
// elsewhere says of a pod that is on a node why there is no attempt to show.
func elsewhere(cx *screen.Context, pod string) string {
	p := cx.World.Kube.Pods[pod]
	switch {
	case p == nil || p.Node == "":
		return ""
	case cx.World.Sched.Dropped > 0:
		return "On " + p.Node + ": its attempts are no longer among the last " + fmt.Sprint(len(cx.World.Sched.Cycles)) + " that are kept, or none was seen."
	}
	return "On " + p.Node + ": no attempt to schedule it was seen. It was bound before this was watched, or named its node itself, as static pods do."
}

func untried(cx *screen.Context, pod string) string {
	q, ok := cx.World.Sched.Queued(pod)
	switch {
	case ok && q.Place == event.SchedGated:
		text := "Pending: " + strings.Join(q.Plugins, ", ") + " holds it before it is tried."
		if len(q.Plugins) == 1 && q.Plugins[0] == "SchedulingGates" {
			text += " It goes on when its spec.schedulingGates are empty."
		}
		return text
	case ok && q.Place == event.SchedParked:
		return "Pending:" + next(cx, pod)
	case ok:
		return "Pending:" + next(cx, pod)
	case cx.World.Sched.QueuesAt.IsZero() || stale(cx) != "":
		return "Pending: no scheduler is known to lead, so nobody takes it up."
	}
	return "Pending, and in no queue of " + cx.World.Sched.Queues.Instance + ": no profile there has its spec.schedulerName?"
}

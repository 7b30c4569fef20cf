package raft

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

// table is one line per member.
func (r *Raft) table(cx *screen.Context, names []string) widget.Table {
	t := widget.Table{Focused: true, Zone: "member/", Selected: slices.Index(names, r.selected(cx)), Columns: []widget.Column{
		{Title: "MEMBER"}, {Title: "ROLE"}, {Title: "TERM", Right: true}, {Title: "VOTE", Drop: 5},
		{Title: "LAST", Right: true, Drop: 6}, {Title: "COMMIT", Right: true}, {Title: "APPLIED", Right: true, Drop: 3},
		{Title: "MATCH/NEXT", Right: true, Drop: 2}, {Title: "FLOW", Drop: 8}, {Title: "BEHIND", Right: true, Drop: 4},
		{Title: "HEARD", Right: true, Drop: 1}, {Title: "FSYNC p50 p99", Right: true, Drop: 7}, {Title: "BACKEND p99", Right: true, Drop: 14},
		{Title: "DB", Right: true, Drop: 9}, {Title: "QUOTA", Right: true, Drop: 11}, {Title: "USED", Right: true, Drop: 12}, {Title: "LINK", Drop: 13}, {Title: "PROCESS"}, {Title: "ID", Drop: 10},
	}}
	for _, name := range names {
		t.Rows = append(t.Rows, tableRow(cx, cx.World.Raft.Members[name]))
	}
	return t
}

func tableRow(cx *screen.Context, m *state.Member) []widget.Cell {
	st := cx.Styles
	role, process := memberLamp(cx, m), processLamp(cx, m.Node)
	match, flow, behind := progress(cx, m)
	disk := event.RaftDisk{}
	if m.Disk != nil && m.Role != "" {
		disk = *m.Disk
	}
	text := func(v string) widget.Cell { return widget.Cell{Text: v, Style: st.Text} }
	return []widget.Cell{
		{Text: m.Node, Style: st.Strong}, {Text: role.Glyph + " " + role.Word, Style: role.Style},
		text(widget.Count(m.Term)), text(dash(m.Vote)), text(widget.Count(m.Last)), text(widget.Count(m.Commit)),
		text(widget.Count(m.Applied)), text(match), text(flow), text(behind), heard(cx, m),
		text(latencies(disk.Fsync)), text(bound(disk.Commit, disk.Commit.P99)),
		text(size(max(m.DBBytes, disk.DBBytes))), quota(cx, m), text(usedShare(disk.DBInUse, disk.DBBytes)), link(cx, m.Node),
		{Text: process.Glyph + " " + process.Word, Style: process.Style}, {Text: m.MemberID, Style: st.Muted},
	}
}

// progress is what the leader knows of a member: match and next index, the state
// of the flow, and how many entries it is behind.
func progress(cx *screen.Context, m *state.Member) (match, flow, behind string) {
	lead := cx.World.Raft.Members[cx.World.Raft.Leader()]
	if lead == nil || m == lead {
		return "-", "-", "-"
	}
	p, ok := lead.Progress[m.Node]
	if !ok {
		return "-", "-", "-"
	}
	flow = strings.ToLower(strings.TrimPrefix(p.State, "State"))
	if p.Inflight > 0 {
		flow += fmt.Sprintf(" %d in flight", p.Inflight)
	}
	if p.Paused {
		flow += ", waits"
	}
	end := max(lead.Last, lead.Commit)
	return fmt.Sprintf("%d/%d", p.Match, p.Next), flow, fmt.Sprint(end - min(max(p.Match, m.Commit), end))
}

// heard is how long ago the member sent the leader something that was not lost.
func heard(cx *screen.Context, m *state.Member) widget.Cell {
	leader := cx.World.Raft.Leader()
	p := cx.World.Raft.Pair(m.Node, leader)
	if p == nil || p.Heard.IsZero() || m.Node == leader {
		return widget.Cell{Text: "-", Style: cx.Styles.Muted}
	}
	age := max(cx.Now.Sub(p.Heard), 0)
	if age > deaf {
		return widget.Cell{Text: widget.Seconds(age), Style: cx.Styles.Warn}
	}
	return widget.Cell{Text: widget.Seconds(age), Style: cx.Styles.Text}
}

// latencies are the median and the 99th percentile, as bounds.
func latencies(l event.RaftLatency) string {
	if l.Count == 0 {
		return "-"
	}
	return bound(l, l.P50) + " " + bound(l, l.P99)
}

// bound is the upper bound of a histogram's bucket.
func bound(l event.RaftLatency, d time.Duration) string {
	switch {
	case l.Count == 0:
		return "-"
	case d < 0:
		return ">8s"
	default:
		return "<" + widget.Short(d)
	}
}

// Shares of its quota, in per cent, from which on the size of a database is a
// warning, and from which on it is trouble.
const (
	quotaWarn = 80
	quotaFull = 95
)

// quotaShare is how much of its quota a member's database file takes, in per
// cent; false where it is not known.
func quotaShare(m *state.Member) (share int64, ok bool) {
	if m.Disk == nil || m.Disk.QuotaBytes <= 0 || m.Role == "" {
		return 0, false
	}
	return max(m.DBBytes, m.Disk.DBBytes) * 100 / m.Disk.QuotaBytes, true
}

func quota(cx *screen.Context, m *state.Member) widget.Cell {
	st := cx.Styles
	share, ok := quotaShare(m)
	switch {
	case !ok:
		return widget.Cell{Text: "-", Style: st.Muted}
	case share >= quotaFull:
		return widget.Cell{Text: fmt.Sprintf("%d%% of %s", share, widget.Bytes(m.Disk.QuotaBytes)), Style: st.Bad}
	case share >= quotaWarn:
		return widget.Cell{Text: fmt.Sprintf("%d%% of %s", share, widget.Bytes(m.Disk.QuotaBytes)), Style: st.Warn}
	}
	return widget.Cell{Text: fmt.Sprintf("%d%% of %s", share, widget.Bytes(m.Disk.QuotaBytes)), Style: st.Text}
}

// usedShare is how much of the database file holds data.
func usedShare(used, size int64) string {
	if size == 0 {
		return "-"
	}
	return fmt.Sprintf("%d%%", used*100/size)
}

func dash(v string) string {
	if v == "" {
		return "-"
	}
	return v
}

func size(n int64) string {
	if n == 0 {
		return "-"
	}
	return widget.Bytes(n)
}

// link is what faults do to packets between a member and the leader, or, where
// there is none, any other member; the worse direction.
func link(cx *screen.Context, name string) widget.Cell {
	leader := cx.World.Raft.Leader()
	if name == leader {
		return widget.Cell{Text: "-", Style: cx.Styles.Muted}
	}
	for _, peer := range members(cx) {
		if peer == name || leader != "" && peer != leader {
			continue
		}
		if text := linkFault(cx.World.Link(peer, name), cx.World.Link(name, peer)); text != "" {
			return widget.Cell{Text: text, Style: cx.Styles.Bad}
		}
	}
	return widget.Cell{Text: "whole", Style: cx.Styles.Muted}
}

// linkFault names what is wrong with a link's directions, each nil when whole.
func linkFault(there, back *event.LinkCondition) string {
	for _, c := range []*event.LinkCondition{there, back} {
		switch {
		case c == nil:
		case c.Cut && there != nil && back != nil && there.Cut && back.Cut:
			return "CUT"
		case c.Cut:
			return "CUT " + c.From + ">" + c.To
		case c.Loss > 0:
			return fmt.Sprintf("%.0f%% lost", c.Loss*100)
		case c.Delay > 0:
			return "+" + widget.Short(c.Delay)
		case c.Rate > 0:
			return "slow"
		}
	}
	return ""
}

package raft

import (
	"fmt"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// gridName is what a member's name takes, gridGap what the count of missing
// entries takes.
const (
	gridName = 6
	gridGap  = 12
)

// hasLogs says whether any member's log was read.
func hasLogs(cx *screen.Context) bool {
	for _, m := range cx.World.Raft.Members {
		if len(m.Log) > 0 {
			return true
		}
	}
	return false
}

// grid draws which of the last entries each member has, of which term, and
// whether the member knows that they are committed; below, what they mean.
func (r *Raft) grid(s widget.Surface, cx *screen.Context, names []string) {
	w, h := s.Size()
	st := cx.Styles
	s.Rule(0, st, "Log  # committed  . not yet  - not there")
	last := lastIndex(cx)
	size := cellWidth(last)
	columns := gridColumns(cx, names, last, (w-gridName-gridGap-2)/size)
	if len(columns) == 0 || h < 3 {
		return
	}
	x := gridName
	for _, index := range columns {
		if index == 0 {
			s.Text(x, 1, st.Muted, "~")
		} else {
			s.Right(x+size-1, 1, st.Muted, fmt.Sprint(index))
		}
		x += size
	}
	for i, name := range names {
		if 2+i < h {
			gridRow(s.Sub(0, 2+i, w, 1), cx, cx.World.Raft.Members[name], columns, size, last)
		}
	}
	r.meanings(s.Sub(0, 2+len(names), w, h-2-len(names)), cx)
}

// lastIndex is the last index that any member has.
func lastIndex(cx *screen.Context) uint64 {
	last := uint64(0)
	for _, m := range cx.World.Raft.Members {
		if m.Role != "" {
			last = max(last, logEnd(m))
		}
	}
	if last == 0 {
		for _, m := range cx.World.Raft.Members {
			last = max(last, logEnd(m))
		}
	}
	return last
}

// logEnd is the last index that a member's log was reported to have. Its status,
// which comes more often, may already know of later ones.
func logEnd(m *state.Member) uint64 {
	if len(m.Log) == 0 {
		return 0
	}
	return m.Log[len(m.Log)-1].Last
}

func cellWidth(last uint64) int { return max(len(fmt.Sprint(last))+1, 5) }

// gridColumns are the indexes to show: the last ones, and before them, where a
// member is further behind, those around its end; 0 stands for what is left out.
func gridColumns(cx *screen.Context, names []string, last uint64, room int) []uint64 {
	if last == 0 || room < 1 {
		return nil
	}
	room = min(room, 24)
	from := func(end uint64, n int) []uint64 {
		var out []uint64
		for i := end - min(end-1, uint64(n-1)); i <= end; i++ {
			out = append(out, i)
		}
		return out
	}
	behind := last
	for _, name := range names {
		if end := logEnd(cx.World.Raft.Members[name]); end > 0 {
			behind = min(behind, end)
		}
	}
	if last-behind < uint64(room) || room < 8 {
		return from(last, room)
	}
	early := room / 3
	out := append(from(behind+1, early), 0)
	return append(out, from(last, room-early-1)...)
}

func gridRow(s widget.Surface, cx *screen.Context, m *state.Member, columns []uint64, size int, last uint64) {
	st := cx.Styles
	s.Text(1, 0, st.Strong, widget.Clip(m.Node, gridName-2))
	x := gridName
	for _, index := range columns {
		text, style := "~", st.Muted
		if index != 0 {
			term := m.TermAt(index)
			switch {
			case term == 0 && len(m.Log) > 0 && index < m.Log[0].First:
				text = "" // before what was read of the log
			case term == 0 && index <= m.Last:
				text = "?" // it is there; of which term was not reported any more
			case term == 0:
				text, style = "-", st.Bad
			case index <= m.Commit:
				text, style = fmt.Sprintf("%d#", term), st.OK
			default:
				text, style = fmt.Sprintf("%d.", term), st.Warn
			}
			if m.Role == "" && text != "-" {
				style = st.Muted // what its disk had when it was last seen
			}
			s.Right(x+size-1, 0, style, text)
		} else {
			s.Text(x, 0, style, text)
		}
		x += size
	}
	if end := max(m.Last, logEnd(m)); end < last {
		s.Text(x+1, 0, st.Warn, fmt.Sprintf("%d behind", last-end))
	}
}

// meanings lists what the last entries mean, the newest last.
func (r *Raft) meanings(s widget.Surface, cx *screen.Context) {
	w, h := s.Size()
	entries := cx.World.Raft.Entries
	if h < 1 || len(entries) == 0 {
		return
	}
	st := cx.Styles
	if cx.Filter != "" {
		var kept []event.RaftEntry
		for _, e := range entries {
			if strings.Contains(strings.ToLower(e.Op+" "+e.Key), strings.ToLower(cx.Filter)) {
				kept = append(kept, e)
			}
		}
		entries = kept
	}
	commit := uint64(0)
	for _, m := range cx.World.Raft.Members {
		commit = max(commit, m.Commit)
	}
	for i, e := range entries[max(0, len(entries)-h):] {
		style := st.Text
		if e.Index > commit {
			style = st.Warn
		}
		s.Right(gridName+6, i, st.Muted, fmt.Sprint(e.Index))
		x := s.Text(gridName+7, i, st.Muted, fmt.Sprintf("t%d ", e.Term))
		op := e.Op
		if e.If {
			op += " if unchanged"
		}
		x = s.Text(x, i, style, op+" ")
		tail := entryTail(e)
		x = s.Fit(x, i, w-x-len(tail)-2, st.Strong, widget.ClipMiddle(strings.TrimPrefix(e.Key, "/registry/"), max(w-x-len(tail)-2, 0)))
		s.Text(x+1, i, st.Muted, tail)
	}
}

// entryTail is the size of an entry and the revision it made.
func entryTail(e event.RaftEntry) string {
	tail := ""
	if e.More > 0 {
		tail = fmt.Sprintf("and %d more  ", e.More)
	}
	tail += widget.Bytes(int64(e.Bytes))
	if e.Revision > 0 {
		tail += fmt.Sprintf("  rev %d", e.Revision)
	}
	return tail
}

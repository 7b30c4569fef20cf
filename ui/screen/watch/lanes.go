package watch

import (
	"cmp"
	"maps"
	"slices"

	"workbench/cluster/event"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// lane is one column of the swimlanes.
type lane struct{ id, title string }

// always are the lanes that are there whatever happens, in the order in which
// a change usually travels.
func always() []string {
	return []string{"user", "apiserver", "deploy", "rs", "scheduler", "kubelet", "eps", "proxy"}
}

// briefTitles are for narrow lanes.
var briefTitles = map[string]string{
	"user": "usr", "apiserver": "api", "deploy": "dep", "scheduler": "sch", "kubelet": "klt", "proxy": "prx", "": "oth",
}

// brief is a lane's title where a lane has less than six columns.
func (l lane) brief(width int) string {
	if short, ok := briefTitles[l.id]; ok && width < 8 {
		return short
	}
	return widget.Clip(l.title, width-1)
}

func laneTitle(id string) string {
	switch id {
	case "apiserver":
		return "apisrv"
	case "scheduler":
		return "sched"
	case "":
		return "?"
	}
	return id
}

// lanes are the columns for a room of w cells: the usual ones, then the busiest
// of the others; what has no lane of its own is in the last.
func lanes(rows []row, w, width int) []lane {
	n := max(2, w/width) - 1
	var out []lane
	for _, name := range always() {
		if len(out) < n {
			out = append(out, lane{name, laneTitle(name)})
		}
	}
	count := map[string]int{}
	for i := range rows {
		if a := rows[i].actor().Lane; a != "" && !slices.Contains(always(), a) {
			count[a]++
		}
	}
	others := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	for _, name := range others {
		if len(out) < n {
			out = append(out, lane{name, laneTitle(name)})
		}
	}
	return append(out, lane{"", "other"})
}

// mark is the sign of a row, which stands in its lane, and its style.
func (r *row) mark(st *themes.Styles) (string, themes.Style) {
	switch {
	case r.aside != nil && r.aside.Code >= 400, r.lookup != nil && r.lookup.Code != "NOERROR":
		return "×", st.Bad
	case r.aside != nil:
		return "○", st.Muted
	case r.change.Verb == event.ChangeCreate:
		return "◆", st.OK
	case r.change.Verb == event.ChangeDelete:
		return "✗", st.Bad
	}
	return "●", st.Accent
}

// swim draws the sign of a row in its lane; a ? says that the lane is read off
// the field manager. A user's write is drawn on to the API server it went to.
func swim(s widget.Surface, x, y, width int, all []lane, r *row, cx *screen.Context) {
	st := cx.Styles
	a := r.actor()
	sign, style := r.mark(st)
	at := slices.IndexFunc(all, func(l lane) bool { return l.id == a.Lane })
	named := at >= 0 && a.Lane != ""
	if !named {
		at = len(all) - 1
	}
	end := s.Text(x+at*width, y, style, sign)
	if !a.Sure {
		end = s.Text(end, y, st.Warn, "?")
	}
	switch {
	case named && a.Lane == "user" && len(all) > 2 && a.Sure:
		for end < x+width {
			end = s.Text(end, y, st.Faint, "─")
		}
		s.Text(end, y, st.Muted, "○")
	case !named && a.Lane != "":
		s.Fit(end, y, width*(len(all)-at)-2, st.Muted, laneTitle(a.Lane))
	}
}

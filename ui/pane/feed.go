// Package pane draws the panes that more than one screen shows: what happened
// last, the components of nodes, the use of processor and memory.
package pane

import (
	"workbench/themes"
	"workbench/ui/plain"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Feed draws what happened last, the newest at the bottom.
func Feed(s widget.Surface, cx *screen.Context) {
	w, h := s.Size()
	if w < 8 || h < 1 {
		return
	}
	entries := cx.Feed
	if len(entries) > h {
		entries = entries[len(entries)-h:]
	}
	if len(entries) == 0 {
		s.Fit(1, 0, w-2, cx.Styles.Muted, "nothing has happened since the app attached")
		return
	}
	subject := min(max(w/4, 10), 34)
	for y, e := range entries {
		glyph, style := tone(cx.Styles, e.Tone)
		s.Fit(1, y, 8, cx.Styles.Muted, e.At.Local().Format("15:04:05"))
		s.Text(10, y, style, glyph)
		s.Text(12, y, cx.Styles.Text, widget.ClipMiddle(widget.Clean(e.Subject), subject))
		s.Fit(13+subject, y, w-14-subject, style, widget.Clean(e.Text))
	}
}

func tone(st *themes.Styles, t plain.Tone) (string, themes.Style) {
	switch t {
	case plain.Good:
		return "●", st.OK
	case plain.Busy:
		return "◐", st.Busy
	case plain.Caution:
		return "▴", st.Warn
	case plain.Bad:
		return "✗", st.Bad
	case plain.User:
		return "▸", st.Accent
	default:
		return "·", st.Muted
	}
}

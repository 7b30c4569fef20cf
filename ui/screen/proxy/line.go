package proxy

import (
	"workbench/themes"
	"workbench/ui/widget"
)

// span is text of one style; line is one line of them.
type (
	span struct {
		style themes.Style
		text  string
	}
	line []span
)

func (l line) draw(s widget.Surface, y int) {
	w, _ := s.Size()
	x := 1
	for _, part := range l {
		if x >= w-1 {
			return
		}
		x = s.Fit(x, y, w-1-x, part.style, widget.Clean(part.text))
	}
}

// plain is a line of one style.
func plain(style themes.Style, text string) line { return line{{style, text}} }

// wrapped are the lines of a long text, the later ones indented.
func wrapped(style themes.Style, text string, w, indent int) []line {
	var out []line
	for i, part := range widget.Wrap(text, max(w-indent, 20)) {
		pad := ""
		if i > 0 {
			pad = spaces(indent)
		}
		out = append(out, plain(style, pad+part))
	}
	return out
}

func spaces(n int) string {
	const some = "                                                                "
	return some[:min(max(n, 0), len(some))]
}

// pad fills a text up to w cells, or shortens it.
func pad(text string, w int) string {
	text = widget.Clip(text, w)
	return text + spaces(w-widget.Width(text))
}

package schedule

import (
	"workbench/themes"
	"workbench/ui/widget"
)

// span is a piece of text at a column; a negative column follows the last one.
type span struct {
	at    int
	style themes.Style
	text  string
}

// line is one line of a page.
type line []span

// page is text in lines, of which a window is drawn.
type page struct {
	lines []line
	width int
}

func (p *page) add(spans ...span) { p.lines = append(p.lines, spans) }

// words adds a text broken at words, the first line after a heading.
func (p *page) words(at int, heading span, style themes.Style, text string) {
	for i, part := range widget.Wrap(widget.Clean(text), max(p.width-at-1, 10)) {
		if i == 0 {
			p.add(heading, span{at, style, part})
			continue
		}
		p.add(span{at, style, part})
	}
}

// draw draws the lines from first on and returns the first that fits.
func (p *page) draw(s widget.Surface, st *themes.Styles, first int) {
	w, h := s.Size()
	first = p.first(h, first)
	for y, l := range p.lines[min(first, len(p.lines)):] {
		if y >= h {
			break
		}
		x := 0
		for _, piece := range l {
			if piece.at >= 0 {
				x = piece.at
			}
			if x < w {
				x = s.Fit(x, y, w-x-1, piece.style, piece.text)
			}
		}
	}
	if len(p.lines) > h && h > 2 {
		widget.Scrollbar(s.Sub(w-1, 0, 1, h), st, first, len(p.lines))
	}
}

func (p *page) first(h, first int) int { return max(0, min(first, len(p.lines)-h)) }

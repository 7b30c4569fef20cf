package widget

import (
	"strings"
	"unicode"
	"unicode/utf8"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"workbench/themes"
)

// Surface is a rectangle of a frame. Its coordinates start at 0, 0; what would
// lie outside is not drawn.
type Surface struct {
	frame *Frame
	x, y  int
	w, h  int
}

// Size is the width and height in cells.
func (s Surface) Size() (w, h int) { return s.w, s.h }

// Sub is the part of the surface at x, y; it ends where the surface ends.
func (s Surface) Sub(x, y, w, h int) Surface {
	x, y = min(max(x, 0), s.w), min(max(y, 0), s.h)
	return Surface{frame: s.frame, x: s.x + x, y: s.y + y, w: max(min(w, s.w-x), 0), h: max(min(h, s.h-y), 0)}
}

// Left splits off n columns on the left.
func (s Surface) Left(n int) (left, rest Surface) {
	return s.Sub(0, 0, n, s.h), s.Sub(n, 0, s.w-n, s.h)
}

// Top splits off n lines at the top.
func (s Surface) Top(n int) (top, rest Surface) {
	return s.Sub(0, 0, s.w, n), s.Sub(0, n, s.w, s.h-n)
}

// Bottom splits off n lines at the bottom.
func (s Surface) Bottom(n int) (rest, bottom Surface) {
	n = min(n, s.h)
	return s.Sub(0, 0, s.w, s.h-n), s.Sub(0, s.h-n, s.w, n)
}

// Inset leaves out a margin of dx columns on both sides and dy lines above and below.
func (s Surface) Inset(dx, dy int) Surface { return s.Sub(dx, dy, s.w-2*dx, s.h-2*dy) }

// Zone makes the surface clickable.
func (s Surface) Zone(id string) {
	if s.w > 0 && s.h > 0 {
		s.frame.zones = append(s.frame.zones, zone{x: s.x, y: s.y, w: s.w, h: s.h, id: id})
	}
}

// Fill clears the surface with a style.
func (s Surface) Fill(style themes.Style) {
	if s.w <= 0 || s.h <= 0 {
		return
	}
	cell := uv.Cell{Content: " ", Width: 1, Style: style}
	last := s.x + s.w - 1
	for y := s.y; y < s.y+s.h; y++ {
		line := s.frame.buffer.Lines[y]
		line.Set(s.x, &cell) // mends a wide sign that the edge cuts in two
		line.Set(last, &cell)
		if y > s.y {
			copy(line[s.x:last+1], s.frame.buffer.Lines[s.y][s.x:last+1])
			continue
		}
		for x := s.x; x <= last; x++ {
			line[x] = cell
		}
	}
}

// Recolor draws what a line says in another colour.
func (s Surface) Recolor(y int, style themes.Style) {
	for x := range s.w {
		if c := s.at(x, y); c != nil {
			c.Style = over(style, c.Style)
		}
	}
}

// Text writes a line of text and returns the column after it.
func (s Surface) Text(x, y int, style themes.Style, text string) int {
	for len(text) > 0 && x < s.w {
		if c := text[0]; c >= ' ' && c < utf8.RuneSelf-1 && (len(text) == 1 || text[1] < utf8.RuneSelf) {
			s.set(x, y, text[:1], 1, style)
			text, x = text[1:], x+1
			continue
		}
		cluster, width := ansi.FirstGraphemeCluster(text, ansi.GraphemeWidth)
		text = text[len(cluster):]
		if r, _ := utf8.DecodeRuneInString(cluster); width == 0 || unicode.IsControl(r) || r == utf8.RuneError {
			continue
		}
		if x+width <= s.w {
			s.set(x, y, cluster, width, style)
		}
		x += width
	}
	return x
}

// Right writes text that ends before column x and returns its first column.
func (s Surface) Right(x, y int, style themes.Style, text string) int {
	start := x - Width(text)
	s.Text(start, y, style, text)
	return start
}

// Fit writes text shortened to w columns and returns the column after it.
func (s Surface) Fit(x, y, w int, style themes.Style, text string) int {
	return s.Text(x, y, style, Clip(text, min(w, s.w-x)))
}

// Rule draws a horizontal line with a title.
func (s Surface) Rule(y int, st *themes.Styles, title string) {
	s.Text(0, y, st.Border, strings.Repeat("─", s.w))
	if title != "" && s.w > 4 {
		s.Fit(1, y, s.w-2, st.Title, " "+Clip(title, s.w-4)+" ")
	}
}

func (s Surface) at(x, y int) *uv.Cell {
	if x < 0 || y < 0 || x >= s.w || y >= s.h {
		return nil
	}
	return s.frame.buffer.CellAt(s.x+x, s.y+y)
}

func (s Surface) set(x, y int, content string, width int, style themes.Style) {
	below := s.at(x, y)
	if below == nil {
		return
	}
	if s.frame.ascii {
		content, width = toASCII(content), 1
	}
	cell := uv.Cell{Content: content, Width: width, Style: over(style, below.Style)}
	s.frame.buffer.SetCell(s.x+x, s.y+y, &cell)
}

// over lets the background and reversal below shine through a style that has none.
func over(style, below themes.Style) themes.Style {
	if style.Bg == nil {
		style.Bg = below.Bg
	}
	if style.Fg == nil {
		style.Fg = below.Fg
	}
	style.Attrs |= below.Attrs & uv.AttrReverse
	return style
}

package widget

import (
	"strconv"

	"workbench/themes"
)

// Column is one column of a table.
type Column struct {
	Title string
	// Right aligns the column to the right, as numbers are.
	Right bool
	// Drop says in which order columns give way when there is no room: the
	// highest first; 0 never.
	Drop int
	// Grow lets the column be shortened first; the last column also takes what
	// room is left.
	Grow bool
	// Min is how far a growing column is shortened; 0 leaves that to the table.
	Min int
	// Sorted marks the column the rows are sorted by: ▴ or ▾, or "".
	Sorted string
}

// Cell is one cell of a table.
type Cell struct {
	Text  string
	Style themes.Style
}

// Table draws rows in columns, with one row selected, scrolled to that row.
type Table struct {
	Columns []Column
	Rows    [][]Cell
	// Selected is the index of the selected row; negative for none.
	Selected int
	// Focused draws the selection.
	Focused bool
	// Zone prefixes the click zones of the rows: Zone + index.
	Zone string
	// Empty is what to say when there are no rows.
	Empty string
}

const gap = 2

// Draw draws the table on the surface, header first.
func (t Table) Draw(s Surface, st *themes.Styles) {
	w, h := s.Size()
	if w < 4 || h < 1 {
		return
	}
	widths := t.widths(w - 2)
	t.row(s, 0, widths, func(i int) Cell {
		return Cell{Text: t.Columns[i].Title + t.Columns[i].Sorted, Style: st.Muted}
	})
	if len(t.Rows) == 0 {
		s.Fit(1, 1, w-2, st.Muted, t.Empty)
		return
	}
	first := Scroll(t.Selected, len(t.Rows), h-1)
	for y := 1; y < h && first+y-1 < len(t.Rows); y++ {
		n := first + y - 1
		if n == t.Selected && t.Focused {
			s.Sub(0, y, w, 1).Fill(st.Selection)
			s.Text(0, y, st.SelectionText, "▸")
		}
		t.row(s, y, widths, func(i int) Cell { return t.Rows[n][i] })
		if t.Zone != "" {
			s.Sub(0, y, w, 1).Zone(t.Zone + strconv.Itoa(n))
		}
	}
	Scrollbar(s.Sub(w-1, 1, 1, h-1), st, first, len(t.Rows))
}

func (t Table) row(s Surface, y int, widths []int, cell func(int) Cell) {
	x := 1
	for i, w := range widths {
		if w == 0 {
			continue
		}
		c := cell(i)
		if t.Columns[i].Right {
			s.Right(x+w, y, c.Style, Clip(c.Text, w))
		} else {
			s.Fit(x, y, w, c.Style, c.Text)
		}
		x += w + gap
	}
}

// widths gives every column its room; 0 for a column that is left out.
func (t Table) widths(room int) []int {
	widths := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		widths[i] = Width(c.Title + c.Sorted)
		for _, row := range t.Rows {
			widths[i] = max(widths[i], Width(row[i].Text))
		}
	}
	for total(widths) > room {
		grow, drop := -1, -1
		for i, c := range t.Columns {
			if c.Grow && widths[i] > t.least(i, widths) {
				grow = i
			}
			if widths[i] > 0 && c.Drop > 0 && (drop < 0 || c.Drop > t.Columns[drop].Drop) {
				drop = i
			}
		}
		switch {
		case grow >= 0:
			widths[grow] = max(t.least(grow, widths), widths[grow]-(total(widths)-room))
		case drop >= 0:
			widths[drop] = 0
		default:
			return t.squeeze(widths, room)
		}
	}
	if last := len(widths) - 1; last >= 0 && t.Columns[last].Grow && widths[last] > 0 {
		widths[last] += room - total(widths)
	}
	return widths
}

// least is how far a growing column is shortened: not much while there are
// columns that can be left out instead.
func (t Table) least(i int, widths []int) int {
	if t.Columns[i].Min > 0 {
		return t.Columns[i].Min
	}
	for j, c := range t.Columns {
		if c.Drop > 0 && j != i && widths[j] > 0 {
			return 28
		}
	}
	return max(Width(t.Columns[i].Title), 16)
}

// squeeze leaves out columns from the right, and shortens the last one left.
func (t Table) squeeze(widths []int, room int) []int {
	for i := len(widths) - 1; i > 0 && total(widths) > room; i-- {
		widths[i] = 0
	}
	widths[0] = min(widths[0], max(room, 0))
	return widths
}

func total(widths []int) int {
	sum := 0
	for _, w := range widths {
		if w > 0 {
			sum += w + gap
		}
	}
	return max(sum-gap, 0)
}

// Scroll is the first of n lines to show in h lines so that the selected one is
// in the middle, as far as the ends allow.
func Scroll(selected, n, h int) int { return max(0, min(selected-h/2, n-h)) }

// Scrollbar draws where a window of the surface's height is in n lines; nothing
// when all of them fit.
func Scrollbar(s Surface, st *themes.Styles, first, n int) {
	_, h := s.Size()
	if n <= h || h < 2 {
		return
	}
	size := max(1, h*h/n)
	at := first * (h - size) / (n - h)
	for y := range h {
		if y >= at && y < at+size {
			s.Text(0, y, st.Muted, "█")
		} else {
			s.Text(0, y, st.Faint, "│")
		}
	}
}

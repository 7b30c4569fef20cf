package widget

import (
	"strings"

	"workbench/themes"
)

// Box draws a border around the surface and returns what is inside. The title
// is in the upper edge on the left, the badge on the right.
type Box struct {
	Title      string
	TitleStyle themes.Style
	Badge      string
	BadgeStyle themes.Style
	// Footer is in the lower edge on the right.
	Footer      string
	FooterStyle themes.Style
	Border      themes.Style
	// Heavy draws a double line: told apart from others without colour.
	Heavy bool
}

// Draw draws the box and returns the surface inside it.
func (b Box) Draw(s Surface) Surface {
	w, h := s.Size()
	if w < 2 || h < 2 {
		return s.Sub(0, 0, 0, 0)
	}
	line := []string{"─", "│", "╭", "╮", "╰", "╯"}
	if b.Heavy {
		line = []string{"━", "┃", "┏", "┓", "┗", "┛"}
	}
	edge := strings.Repeat(line[0], w-2)
	s.Text(0, 0, b.Border, line[2]+edge+line[3])
	s.Text(0, h-1, b.Border, line[4]+edge+line[5])
	for y := 1; y < h-1; y++ {
		s.Text(0, y, b.Border, line[1])
		s.Text(w-1, y, b.Border, line[1])
	}
	room := w - 4
	if b.Title != "" && room > 2 {
		title := Clip(b.Title, room-2)
		s.Text(2, 0, b.TitleStyle, " "+title+" ")
		room -= Width(title) + 3
	}
	if n := Width(b.Badge); n > 0 && n+2 <= room {
		s.Right(w-2, 0, b.BadgeStyle, " "+b.Badge+" ")
	}
	if n := Width(b.Footer); n > 0 && n+6 <= w {
		s.Right(w-2, h-1, b.FooterStyle, " "+b.Footer+" ")
	}
	return s.Sub(1, 1, w-2, h-2)
}

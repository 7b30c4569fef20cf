package widget

import (
	"slices"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"

	"workbench/themes"
)

// Frame is one frame of the app under construction.
type Frame struct {
	buffer *uv.Buffer
	zones  []zone
	ascii  bool

	// What was drawn last and its lines as text: a line that is the same again is
	// not rendered again.
	drawn, spare *uv.Buffer
	lines        []string
}

// zone is a rectangle that can be clicked.
type zone struct {
	x, y, w, h int
	id         string
}

// NewFrame is a frame of w x h cells filled with the base style. With ascii,
// glyphs outside ASCII are replaced by the nearest ASCII sign.
func NewFrame(w, h int, base themes.Style, ascii bool) *Frame {
	f := &Frame{buffer: uv.NewBuffer(max(w, 0), max(h, 0)), ascii: ascii}
	f.Surface().Fill(base)
	return f
}

// Again empties the frame for the next one of the same size, or is a new frame
// where the size is another: the cells of a large terminal are megabytes.
func (f *Frame) Again(w, h int, base themes.Style) *Frame {
	if f == nil || f.buffer.Width() != max(w, 0) || f.buffer.Height() != max(h, 0) {
		return NewFrame(w, h, base, f != nil && f.ascii)
	}
	f.zones = f.zones[:0]
	if f.buffer == f.drawn {
		f.buffer = f.spare
		if f.buffer == nil {
			f.buffer = uv.NewBuffer(w, h)
		}
	}
	f.Surface().Fill(base)
	return f
}

// Surface is the whole frame.
func (f *Frame) Surface() Surface {
	return Surface{frame: f, w: f.buffer.Width(), h: f.buffer.Height()}
}

// Render is the frame as styled lines. No line is wider and there are not more
// lines than the frame was made for.
func (f *Frame) Render() string {
	if f.drawn == f.buffer {
		return strings.Join(f.lines, "\n")
	}
	lines := make([]string, len(f.buffer.Lines))
	for i, line := range f.buffer.Lines {
		if f.drawn != nil && slices.Equal(line, f.drawn.Lines[i]) {
			lines[i] = f.lines[i]
		} else {
			lines[i] = line.Render()
		}
	}
	f.drawn, f.spare, f.lines = f.buffer, f.drawn, lines
	return strings.Join(lines, "\n")
}

// Hit is the id of the topmost zone at a cell, or "".
func (f *Frame) Hit(x, y int) string {
	for i := len(f.zones) - 1; i >= 0; i-- {
		z := f.zones[i]
		if x >= z.x && x < z.x+z.w && y >= z.y && y < z.y+z.h {
			return z.id
		}
	}
	return ""
}

package widget

import (
	"slices"
	"strings"

	"workbench/themes"
)

// Spark draws the newest values as bars, the newest at the right, scaled to top
// (or to the largest value where top is 0).
func Spark(s Surface, x, y, w int, style, faint themes.Style, values []float64, top float64) {
	if len(values) > w {
		values = values[len(values)-max(w, 0):]
	}
	for _, v := range values {
		top = max(top, v)
	}
	pad := w - len(values)
	if pad > 0 {
		s.Text(x, y, faint, strings.Repeat("▁", pad))
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	for i, v := range values {
		level, ink := 0, faint
		if top > 0 && v > 0 {
			level = min(int(v/top*float64(len(bars))), len(bars)-1)
			ink = style
		}
		s.Text(x+pad+i, y, ink, string(bars[level]))
	}
}

// Gauge draws how much of a whole is reached: share from 0 to 1.
func Gauge(s Surface, x, y, w int, style, faint themes.Style, share float64) {
	full := int(min(max(share, 0), 1)*float64(w) + 0.5)
	s.Text(x, y, style, strings.Repeat("━", full))
	s.Text(x+full, y, faint, strings.Repeat("╌", max(w-full, 0)))
}

// Squeeze makes values fit into w columns without leaving any out: a column holds
// the largest of those that share it, so that a peak stays one.
func Squeeze(values []float64, w int) []float64 {
	if len(values) <= w || w <= 0 {
		return values
	}
	out := make([]float64, w)
	for i := range out {
		out[i] = slices.Max(values[i*len(values)/w : (i+1)*len(values)/w])
	}
	return out
}

// Bars draws the newest values as bars as high as the surface, the newest at the
// right, scaled to top. A negative value is none.
func Bars(s Surface, style themes.Style, values []float64, top float64) {
	w, h := s.Size()
	if top <= 0 || h == 0 {
		return
	}
	values = values[max(0, len(values)-w):]
	bars := []rune("▁▂▃▄▅▆▇█")
	for i, v := range values {
		if v < 0 {
			continue
		}
		x, eighths := w-len(values)+i, max(int(v/top*float64(8*h)+0.5), 1)
		for y := h - 1; y >= 0 && eighths > 0; y-- {
			s.Text(x, y, style, string(bars[min(eighths, 8)-1]))
			eighths -= 8
		}
	}
}

package plain

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"workbench/cluster/state"
)

// Waterfall writes bars as lines of a width in cells: when, how long, who, what,
// and where that lies between the begin and the end of all.
func Waterfall(bars []state.Bar, width int) []string {
	if len(bars) == 0 {
		return nil
	}
	from, to := Extent(bars)
	who := 0
	for _, b := range bars {
		who = max(who, utf8.RuneCountInString(b.Who))
	}
	const times = 20 // the first two columns
	left := width - times - who - 3
	what := max(min(left*3/5, 64), 24)
	field := max(left-what-1, 10)
	lines := []string{fmt.Sprintf("%9s %9s  %s  %s %s", "START", "TOOK", pad("WHO", who), pad("WHAT", what), ruler(to.Sub(from), field))}
	for _, b := range bars {
		took := "·"
		if b.Took > 0 {
			took = Span(b.Took)
		}
		line := fmt.Sprintf("%9s %9s  %s  %s %s", "+"+Span(b.Start.Sub(from)), took, pad(b.Who, who), pad(What(b), what), Strip(b, from, to, field))
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// What a bar says, indented by its depth, with ? where it is inferred.
func What(b state.Bar) string {
	text := strings.Repeat(" ", min(b.Depth, 8)) + b.Text
	if b.Inferred {
		text += " ?"
	}
	if b.Error != "" {
		text += " ✗ " + b.Error
	}
	return text
}

// Extent is the time that bars take together.
func Extent(bars []state.Bar) (from, to time.Time) {
	for i, b := range bars {
		if i == 0 || b.Start.Before(from) {
			from = b.Start
		}
		if b.End().After(to) {
			to = b.End()
		}
	}
	return from, to
}

// Strip is a bar on w cells that stand for the time between two instants: full
// cells for spans, an instant as a mark, by who saw it.
func Strip(b state.Bar, from, to time.Time, w int) string {
	whole := max(to.Sub(from), 1)
	cell := func(d time.Duration) int { return int(float64(d) / float64(whole) * float64(w)) }
	first := min(max(cell(b.Start.Sub(from)), 0), w-1)
	n := min(max(cell(b.End().Sub(from))-first, 1), w-first)
	return strings.Repeat(" ", first) + strings.Repeat(Glyph(b), n)
}

// Glyph is how a bar is drawn, by who saw it.
func Glyph(b state.Bar) string {
	switch {
	case b.Took == 0:
		return "◆"
	case b.Source == state.BarOTLP:
		return "█"
	case b.Source == state.BarClient:
		return "░"
	}
	return "▒"
}

// Legend says what the glyphs stand for.
const Legend = "█ OTLP span of the component   ░ seen by the client   ▒ seen by taps (audit, scheduler)   ◆ an instant (etcd, containerd)   ? inferred by time"

// Hide leaves out spans that are shorter than a length and parts of others; how
// many is told.
func Hide(bars []state.Bar, shorter time.Duration) (shown []state.Bar, hidden int) {
	for _, b := range bars {
		if b.Depth > 1 && b.Took > 0 && b.Took < shorter && b.Error == "" && b.Source == state.BarOTLP {
			hidden++
			continue
		}
		shown = append(shown, b)
	}
	return shown, hidden
}

// Span is a length of time in at most 8 cells: 412µs, 35.1ms, 2.41s.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Span(-d)
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d.Microseconds())
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d.Microseconds())/1000)
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// ruler is an axis of w cells.
func ruler(whole time.Duration, w int) string {
	end := Span(whole)
	return "0" + strings.Repeat("─", max(w-1-utf8.RuneCountInString(end), 0)) + end
}

// pad makes a text n cells wide.
func pad(text string, n int) string {
	if over := utf8.RuneCountInString(text) - n; over > 0 {
		return string([]rune(text)[:n-1]) + "…"
	}
	return text + strings.Repeat(" ", n-utf8.RuneCountInString(text))
}

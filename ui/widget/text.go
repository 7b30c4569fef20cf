package widget

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Width is how many cells a text takes.
func Width(text string) int { return ansi.StringWidth(text) }

// Clip shortens a text to w cells; what was cut off shows as an ellipsis.
func Clip(text string, w int) string {
	switch {
	case w <= 0:
		return ""
	case len(text) <= w:
		return text
	}
	return ansi.Truncate(text, w, "…")
}

// ClipMiddle shortens a text to w cells and keeps both ends.
func ClipMiddle(text string, w int) string {
	n := Width(text)
	if n <= w || w < 5 {
		return Clip(text, w)
	}
	left := (w - 1) / 2
	right := ansi.TruncateLeft(text, n-(w-1-left), "")
	if Width(right) > w-1-left { // a wide sign was cut in two
		right = ansi.TruncateLeft(text, n-(w-1-left)+1, "")
	}
	return ansi.Truncate(text, left, "") + "…" + right
}

// Clean makes foreign text safe to draw: no escape sequences, no control
// characters, tabs as spaces.
func Clean(text string) string {
	text = ansi.Strip(strings.ReplaceAll(text, "\t", "    "))
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}

// Wrap breaks a text into lines of at most w cells, at words where it can.
func Wrap(text string, w int) []string {
	if w <= 0 {
		return nil
	}
	return strings.Split(ansi.Wrap(text, w, ""), "\n")
}

// toASCII is the ASCII sign for a glyph.
func toASCII(glyph string) string {
	if glyph[0] < utf8.RuneSelf {
		return glyph
	}
	const signs = "=|++++-|+++++++++==_.,-=+*#*o.cxvHLCP>v^^v<>.~:|#x>r-@%ov^w>#~v'-"
	first, _ := utf8.DecodeRuneInString(glyph)
	n := 0
	for _, r := range "━┃┏┓┗┛─│╭╮╰╯├┤┬┴┼━═▁▂▃▄▅▆▇█●◐○◌✗✓‖★◆◇▸▾▴↑↓←→·…░▌▪×≥↻╌◎◍◒▼▲▿»≠≈◂╵▶" {
		if r == first {
			return signs[n : n+1]
		}
		n++
	}
	return "?"
}

package event

import "strings"

// OneLine is a text that may be anybody's as one line: with a space for each control
// character.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

package ui

import (
	"charm.land/bubbles/v2/key"

	"workbench/ui/screen"
)

// keyMap are the keys that work on every screen.
type keyMap struct {
	help, palette, filter, back, previous key.Binding
	pause, forth, back1, next, before     key.Binding
	live, slower, faster, mark            key.Binding
	undo, lock, theme                     key.Binding
	faults, heal, healAll                 key.Binding
	quit                                  key.Binding
}

func newKeyMap() keyMap {
	bind := func(help, text string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, text))
	}
	return keyMap{
		help:     bind("?", "help", "?"),
		palette:  bind(":", "palette", ":", "ctrl+p"),
		filter:   bind("/", "filter", "/"),
		back:     bind("esc", "close, clear, back", "esc"),
		previous: bind("-", "screen before", "-", "backspace"),
		pause:    bind("space", "pause, play", "space"),
		forth:    bind(".", "step on", "."),
		back1:    bind(",", "step back", ","),
		next:     bind(">", "marker on", ">"),
		before:   bind("<", "marker back", "<"),
		slower:   bind("{", "play slower", "{"),
		faster:   bind("}", "play faster", "}"),
		mark:     bind("'", "mark here: second cursor", "'"),
		live:     bind("end", "live again", "end"),
		undo:     bind("u", "undo", "u"),
		faults:   bind("F", "faults", "F"),
		heal:     bind("h", "heal", "h"),
		healAll:  bind("H", "heal all", "H"),
		lock:     bind("L", "lock against faults", "L"),
		theme:    bind("t", "next theme", "t"),
		quit:     bind("q", "quit", "q", "ctrl+c"),
	}
}

func (k keyMap) bindings() []key.Binding {
	return []key.Binding{k.palette, k.filter, k.pause, k.back1, k.forth, k.before, k.next, k.slower, k.faster, k.mark, k.live, k.faults, k.heal, k.healAll, k.undo, k.lock, k.theme, k.previous, k.back, k.quit, k.help}
}

// numbers are the keys of the screens, for help.
func numbers(all []screen.Screen) []key.Binding {
	var keys []key.Binding
	for _, s := range all {
		if a := s.About(); a.Number > 0 {
			n := string(rune('0' + a.Number))
			keys = append(keys, key.NewBinding(key.WithKeys(n), key.WithHelp(n, a.Title)))
		}
	}
	return keys
}

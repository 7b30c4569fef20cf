// Package watch is the screen of changes: what happened to which object, who
// did it, what it was an answer to, and who is told.
package watch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/ui/screen"
)

// Watch is the screen.
type Watch struct {
	keys binding
	// cursor is the selected row; while it is the last one the list follows.
	cursor   id
	parked   bool
	marked   id
	unfolded bool
	pane     int
	large    bool // the pane takes the room of the list
}

type binding struct {
	list                                                    screen.ListKeys
	large, pane, cause, fold, mark, older, newer, yaml, ctl key.Binding
}

// New is the screen at its start.
func New() *Watch {
	bind := func(help, text string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, text))
	}
	return &Watch{keys: binding{
		list:  screen.NewListKeys(),
		large: bind("enter", "large", "enter"),
		pane:  bind("tab", "next pane", "tab"),
		cause: bind("c", "cause", "c"),
		fold:  bind("f", "fold", "f"),
		mark:  bind("m", "mark", "m"),
		older: bind("[", "revision before", "["),
		newer: bind("]", "next revision", "]"),
		yaml:  bind("y", "yaml", "y"),
		ctl:   bind("e", "kubectl", "e"),
	}}
}

// About implements screen.Screen.
func (s *Watch) About() screen.About {
	return screen.About{Number: 3, ID: "watch", Title: "Watch", Filters: true,
		Text: "every change of every object: who made it, why, and what is different"}
}

// Keys implements screen.Screen.
func (s *Watch) Keys() []key.Binding {
	k := s.keys
	return []key.Binding{k.large, k.cause, k.mark, k.fold, k.yaml, k.ctl, k.pane, k.older, k.newer, k.list.Up, k.list.Down, k.list.Home, k.list.End}
}

// FilterHelp is what the filter box says of the language.
func (s *Watch) FilterHelp() []string {
	lines := []string{
		"words must all hold:  kind:pod ns:demo verb:update !lease user:~kubelet text",
		"key:value  key:a,b  key:we*  key:~part  code:>=400  rv:410..420  took:>100ms  \"two words\"  !not",
	}
	var each []string
	for _, k := range keys() {
		each = append(each, k.Help)
	}
	return append(lines, strings.Join(each, "   "))
}

// Handle implements screen.Screen.
func (s *Watch) Handle(msg tea.Msg, cx *screen.Context) screen.Intent {
	rows, _ := s.rows(cx)
	at := s.selected(rows)
	if click, ok := msg.(screen.Click); ok {
		if n, err := strconv.Atoi(strings.TrimPrefix(click.Zone, "change/")); err == nil && n < len(rows) {
			s.choose(rows, n)
		}
		return nil
	}
	if to, ok := s.keys.list.Move(msg, max(at, 0), len(rows)); ok && len(rows) > 0 {
		s.choose(rows, to)
		return nil
	}
	press, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch k := s.keys; {
	case key.Matches(press, k.fold):
		s.unfolded = !s.unfolded
	case key.Matches(press, k.large):
		s.large = !s.large
	case key.Matches(press, k.pane):
		s.pane = (s.pane + 1) % len(panes())
	case at >= 0:
		return s.act(press, cx, rows, at)
	}
	return nil
}

// act is what a key does with the selected row.
func (s *Watch) act(press tea.KeyPressMsg, cx *screen.Context, rows []row, at int) screen.Intent {
	r := &rows[at]
	switch k := s.keys; {
	case key.Matches(press, k.mark):
		if s.marked == r.id() {
			s.marked = id{}
		} else {
			s.marked = r.id()
		}
	case key.Matches(press, k.cause):
		return s.toCause(cx, rows, r)
	case key.Matches(press, k.older):
		return s.along(rows, at, -1)
	case key.Matches(press, k.newer):
		return s.along(rows, at, 1)
	case key.Matches(press, k.yaml):
		return yaml(r)
	case key.Matches(press, k.ctl):
		return screen.Note{Text: kubectl(r)}
	}
	return nil
}

// choose selects a row; on the last one the list follows what comes.
func (s *Watch) choose(rows []row, n int) {
	s.cursor, s.parked = rows[n].id(), n < len(rows)-1
}

// selected is the index of the selected row, or of the one nearest to where it
// was; -1 when there is none.
func (s *Watch) selected(rows []row) int {
	if len(rows) == 0 || !s.parked {
		return len(rows) - 1
	}
	if i := slices.IndexFunc(rows, func(r row) bool { return r.id() == s.cursor }); i >= 0 {
		return i
	}
	for i := range rows {
		if c := rows[i].change; c != nil && c.Revision >= s.cursor.revision {
			return i
		}
	}
	return len(rows) - 1
}

// toCause selects the change that the selected one answers to.
func (s *Watch) toCause(cx *screen.Context, rows []row, r *row) screen.Intent {
	if r.change == nil || r.change.Cause == 0 {
		return screen.Note{Text: "no change is known that it answers to"}
	}
	for i := range rows {
		if c := rows[i].change; c != nil && c.Revision == r.change.Cause {
			s.choose(rows, i)
			return nil
		}
	}
	if cx.World.Changes.At(r.change.Cause, "") >= 0 {
		return screen.Note{Text: fmt.Sprintf("its cause, revision %d, does not pass the filter", r.change.Cause)}
	}
	return screen.Note{Text: fmt.Sprintf("its cause, revision %d, is older than what is kept", r.change.Cause)}
}

// along selects the next change of the same object, forwards or back.
func (s *Watch) along(rows []row, at, by int) screen.Intent {
	c := rows[at].change
	if c == nil {
		return nil
	}
	for i := at + by; i >= 0 && i < len(rows); i += by {
		if o := rows[i].change; o != nil && o.UID == c.UID && o.Name == c.Name {
			s.choose(rows, i)
			return nil
		}
	}
	return screen.Note{Text: "no other revision of " + rows[at].object() + " that way"}
}

// Package recovery is the screen of recoveries: every fault of the run, and for
// the chosen one the hops from its landing to recovery and back on one time
// axis, with their evidence, what users felt, and the run before.
package recovery

import (
	"slices"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/history"
	"workbench/cluster/recovery"
	"workbench/ui/screen"
)

// Recovery is the screen.
type Recovery struct {
	list     screen.ListKeys
	earlier  key.Binding
	later    key.Binding
	seek     key.Binding
	markdown key.Binding
	// chosen is the fault's ID; "" is the newest.
	chosen string
	// hop is the line of the hop under the cursor; negative for none.
	hop int
}

// New is the screen at its start.
func New() *Recovery {
	bind := func(help, text string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, text))
	}
	return &Recovery{
		list: screen.NewListKeys(), hop: -1,
		earlier:  bind("[", "hop before", "[", "left"),
		later:    bind("]", "hop after", "]", "right"),
		seek:     bind("enter", "all screens at that hop", "enter"),
		markdown: bind("y", "as Markdown", "y"),
	}
}

// About implements screen.Screen.
func (r *Recovery) About() screen.About {
	return screen.About{Number: 9, ID: "recovery", Title: "Recovery", Short: "Recov", Filters: true,
		Text: "how the lab recovered from each fault, hop by hop, and what users felt"}
}

// Keys implements screen.Screen.
func (r *Recovery) Keys() []key.Binding {
	return []key.Binding{r.later, r.earlier, r.seek, r.markdown, r.list.Up, r.list.Down}
}

// reports are those that pass the filter, the newest first.
func (r *Recovery) reports(cx *screen.Context) []*recovery.Report {
	var out []*recovery.Report
	words := strings.Fields(strings.ToLower(cx.Filter))
	all := cx.World.Recovery.List
	for i := len(all) - 1; i >= 0; i-- {
		text := strings.ToLower(strings.Join([]string{all[i].ID, all[i].Text, all[i].Class, all[i].Status()}, " "))
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) }) {
			out = append(out, all[i])
		}
	}
	return out
}

// at is the index of the chosen report: the newest when there is none such.
func (r *Recovery) at(all []*recovery.Report) int {
	for i, one := range all {
		if one.ID == r.chosen {
			return i
		}
	}
	return 0
}

func (r *Recovery) choose(all []*recovery.Report, i int) {
	if i < 0 || i >= len(all) {
		return
	}
	if r.chosen = all[i].ID; i == 0 {
		r.chosen = "" // it stays with the newest
	}
	r.hop = -1
}

// Handle implements screen.Screen.
func (r *Recovery) Handle(msg tea.Msg, cx *screen.Context) screen.Intent {
	all := r.reports(cx)
	if click, ok := msg.(screen.Click); ok {
		r.click(click.Zone, all)
		return nil
	}
	if len(all) == 0 {
		return nil
	}
	at := r.at(all)
	if to, ok := r.list.Move(msg, at, len(all)); ok {
		r.choose(all, to)
		return nil
	}
	press, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	one, steps := all[at], steps(all[at])
	switch {
	case key.Matches(press, r.earlier):
		r.hop = max(min(r.hop, len(steps)-1)-1, 0)
	case key.Matches(press, r.later):
		r.hop = min(r.hop+1, len(steps)-1)
	case key.Matches(press, r.seek):
		if r.hop < 0 || r.hop >= len(steps) || steps[r.hop].At.IsZero() {
			return screen.Note{Text: "choose a hop that was seen, with [ and ]"}
		}
		return screen.Seek{At: history.Instant{Time: steps[r.hop].At}}
	case key.Matches(press, r.markdown):
		return screen.Page{Title: "Recovery from " + one.ID + ": " + one.Text, Args: []string{"report", one.ID, "-o", "markdown"}}
	}
	return nil
}

func (r *Recovery) click(zone string, all []*recovery.Report) {
	kind, number, _ := strings.Cut(zone, "/")
	i, err := strconv.Atoi(number)
	switch {
	case err != nil:
	case kind == "fault":
		r.choose(all, i)
	case kind == "hop":
		r.hop = i
	}
}

// steps are the hops of a report in the order in which they are drawn.
func steps(one *recovery.Report) []recovery.Line {
	return append(one.Lines(one.Hops, one.Start()), one.Lines(one.Return, one.Undone)...)
}

// Package schedule is the screen of the scheduler: for every attempt which
// plugins rejected which nodes, how the others scored, what decided, whom
// preemption evicted, how binding went; and what waits in the queues for what.
package schedule

import (
	"fmt"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// pane is what a terminal with room for one shows.
type pane int

const (
	decisionPane pane = iota
	queuesPane
	podsPane
	panes
)

// Schedule is the screen.
type Schedule struct {
	keys keys
	pane pane
	// back is how many attempts before the newest one of the pod of are shown: 0
	// is the newest. Another screen may have selected another pod since.
	back int
	of   string
	// scroll is the first line of the decision, shift the first node.
	scroll, shift int
	raw           bool
	ask           whatIf
}

// scrollBy is how many lines a scroll key moves a decision.
const scrollBy = 5

type keys struct {
	list                                        screen.ListKeys
	before, after, pane, raw, ask, left, right  key.Binding
	scrollUp, scrollDown                        key.Binding
	askUp, askDown, more, less, without, forget key.Binding
}

// New is the screen at its start.
func New() *Schedule {
	bind := func(help, text string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, text))
	}
	return &Schedule{keys: keys{
		list:       screen.NewListKeys(),
		before:     bind("[", "attempt before", "["),
		after:      bind("]", "attempt after", "]"),
		pane:       bind("tab", "decision, queues, pods", "tab"),
		raw:        bind("v", "raw and normalised scores", "v"),
		ask:        bind("w", "what if", "w"),
		left:       bind("←", "nodes to the left", "left"),
		right:      bind("→", "nodes to the right", "right"),
		scrollUp:   bind("pgup", "scroll up", "pgup"),
		scrollDown: bind("pgdn", "scroll down", "pgdown"),
		askUp:      bind("↑", "plugin before", "up", "k"),
		askDown:    bind("↓", "plugin after", "down", "j"),
		more:       bind("+", "more weight", "+", "="),
		less:       bind("-", "less weight", "-", "_"),
		without:    bind("x", "without the plugin", "x"),
		forget:     bind("r", "as it was", "r"),
	}}
}

// About implements screen.Screen.
func (s *Schedule) About() screen.About {
	return screen.About{Number: 4, ID: "schedule", Title: "Schedule", Short: "Sched", Filters: true,
		Text: "why the scheduler put each pod where it is, or nowhere"}
}

// Keys implements screen.Screen.
func (s *Schedule) Keys() []key.Binding {
	k := s.keys
	if s.ask.on {
		return []key.Binding{k.more, k.less, k.without, k.forget, k.ask, k.before, k.after, k.scrollUp, k.scrollDown, k.left, k.right, k.askUp, k.askDown}
	}
	return []key.Binding{k.before, k.after, k.pane, k.ask, k.raw, k.scrollUp, k.scrollDown, k.left, k.right, k.list.Up, k.list.Down}
}

// Handle implements screen.Screen.
func (s *Schedule) Handle(msg tea.Msg, cx *screen.Context) screen.Intent {
	pods := s.pods(cx)
	at := selected(pods, cx)
	if click, ok := msg.(screen.Click); ok {
		s.click(click.Zone, pods, cx)
		return nil
	}
	press, ok := msg.(tea.KeyPressMsg)
	if ok && s.ask.on && s.handleAsk(press, cx) {
		return nil
	}
	switch k := s.keys; {
	case ok && key.Matches(press, k.scrollUp):
		s.scroll = max(s.scroll-scrollBy, 0)
		return nil
	case ok && key.Matches(press, k.scrollDown):
		s.scroll += scrollBy
		return nil
	}
	if to, ok := s.keys.list.Move(msg, max(at, 0), len(pods)); ok && len(pods) > 0 {
		s.choose(cx, pods[to].key)
		return nil
	}
	if ok {
		s.handle(press, cx)
	}
	return nil
}

// handle is what a key does that moves no cursor.
func (s *Schedule) handle(press tea.KeyPressMsg, cx *screen.Context) {
	switch k := s.keys; {
	case key.Matches(press, k.before):
		s.back, s.of, s.scroll = min(s.behind(cx)+1, max(len(s.attempts(cx))-1, 0)), s.pod(cx), 0
	case key.Matches(press, k.after):
		s.back, s.of, s.scroll = max(s.behind(cx)-1, 0), s.pod(cx), 0
	case key.Matches(press, k.pane):
		s.pane = (s.pane + 1) % panes
	case key.Matches(press, k.raw):
		s.raw = !s.raw
	case key.Matches(press, k.ask):
		s.ask.on, s.pane = s.cycle(cx) != nil, decisionPane
	case key.Matches(press, k.left):
		s.shift = max(s.shift-1, 0)
	case key.Matches(press, k.right):
		s.shift++
	}
}

func (s *Schedule) click(zone string, pods []podRow, cx *screen.Context) {
	name, number, _ := strings.Cut(zone, "/")
	if i, err := strconv.Atoi(number); err == nil && name == "pod" && i >= 0 && i < len(pods) {
		s.choose(cx, pods[i].key)
	}
}

// choose selects a pod, for all screens.
func (s *Schedule) choose(cx *screen.Context, key string) {
	if cx.Selection.Pod != key {
		cx.Selection.Pod, s.back, s.scroll, s.shift, s.ask = key, 0, 0, 0, whatIf{}
	}
}

// pod is the selected pod: the first one when none is; "" when there are none.
func (s *Schedule) pod(cx *screen.Context) string {
	pods := s.pods(cx)
	if at := selected(pods, cx); at >= 0 {
		return pods[at].key
	}
	return ""
}

// behind is how many attempts before the newest one of the selected pod are shown.
func (s *Schedule) behind(cx *screen.Context) int {
	if s.of != s.pod(cx) {
		return 0
	}
	return s.back
}

// attempts are the cycles of the selected pod, oldest first.
func (s *Schedule) attempts(cx *screen.Context) []*state.Cycle {
	return cx.World.Sched.Attempts(s.pod(cx))
}

// cycle is the attempt that is shown; nil when there is none.
func (s *Schedule) cycle(cx *screen.Context) *state.Cycle {
	all := s.attempts(cx)
	if len(all) == 0 {
		return nil
	}
	return all[max(len(all)-1-s.behind(cx), 0)]
}

// Draw implements screen.Screen.
func (s *Schedule) Draw(surface widget.Surface, cx *screen.Context) {
	w, h := surface.Size()
	pods := s.pods(cx)
	surface, head := surface.Sub(0, 1, w, h-1), surface.Sub(0, 0, w, 1)
	h--
	s.headline(head, cx, pods)
	switch {
	case cx.Room >= screen.Three:
		left := min(w*2/5, 84)
		split := h * 3 / 5
		s.drawPods(surface.Sub(0, 0, left, split-1), cx, pods)
		s.drawQueues(surface.Sub(0, split, left, h-split), cx)
		s.drawDecision(surface.Sub(left+2, 0, w-left-2, h), cx)
	case s.pane == queuesPane:
		s.drawQueues(surface, cx)
	case s.pane == podsPane:
		s.drawPods(surface, cx, pods)
	case cx.Room == screen.Two:
		top := min(9, len(pods)+1)
		s.drawPods(surface.Sub(0, 0, w, top), cx, pods)
		s.drawDecision(surface.Sub(0, top+1, w, h-top-1), cx)
	default:
		s.drawDecision(surface, cx)
	}
}

// headline tells who leads and how many pods are where, and the filter.
func (s *Schedule) headline(surface widget.Surface, cx *screen.Context, pods []podRow) {
	w, _ := surface.Size()
	st, x := cx.Styles, 1
	put := func(label, value string, bad bool) {
		style := st.Strong
		if bad {
			style = st.Warn
		}
		if x+widget.Width(label)+widget.Width(value)+2 < w {
			x = surface.Text(x, 0, st.Muted, label)
			x = surface.Text(x, 0, style, value) + 2
		}
	}
	if cx.Filter != "" {
		put("filter ", "“"+cx.Filter+"”", false)
	}
	if at := selected(pods, cx); at >= 0 && cx.Room < screen.Two {
		put("pod ", fmt.Sprintf("%d of %d", at+1, len(pods)), false)
	}
	q := cx.World.Sched.Queues
	if cx.World.Sched.QueuesAt.IsZero() {
		put("", "no scheduler has reported yet", true)
		return
	}
	put("scheduler ", q.Instance+stale(cx), stale(cx) != "")
	for _, place := range places() {
		put(string(place)+" ", fmt.Sprint(q.Counts[place]), place != activePlace && place != flightPlace && q.Counts[place] > 0)
	}
	put("cycles ", fmt.Sprint(len(cx.World.Sched.Cycles)+cx.World.Sched.Dropped), false)
}

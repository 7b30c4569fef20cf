// Package boot is the screen of a lab that is coming up: the steps of the boot
// plan, how long they took, and why one failed.
package boot

import (
	"fmt"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/pane"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Boot is the screen.
type Boot struct{}

// New is the screen.
func New() *Boot { return &Boot{} }

// About implements screen.Screen.
func (b *Boot) About() screen.About {
	return screen.About{ID: "boot", Title: "Boot", Text: "the steps of the boot and their times"}
}

// Keys implements screen.Screen.
func (b *Boot) Keys() []key.Binding { return nil }

// Handle implements screen.Screen.
func (b *Boot) Handle(tea.Msg, *screen.Context) screen.Intent { return nil }

// Draw implements screen.Screen.
func (b *Boot) Draw(s widget.Surface, cx *screen.Context) {
	w, h := s.Size()
	if w < 20 || h < 3 {
		head(s, cx)
		return
	}
	in := s.Inset(2, 0)
	head(in, cx)
	y := 3
	if cx.Room >= screen.Two {
		in, y = s.Inset(3, 1), 3
		s.Fill(cx.Styles.Base)
		head(in, cx)
	}
	if cx.World.Phase == event.Failed {
		y += failure(in.Sub(0, y, w-4, h-y), cx)
	}
	iw, ih := in.Size()
	groups(in.Sub(0, y, iw, ih-y), cx)
}

// tally is how far the boot is.
func tally(w *state.World) (done, total int) {
	total = len(w.Steps)
	for _, step := range w.Steps {
		if step.Done && step.Error == "" {
			done++
		}
		total = max(total, step.Total)
	}
	return done, total
}

// head is the phase, the progress and the time, and the bar below it.
func head(s widget.Surface, cx *screen.Context) {
	w, _ := s.Size()
	st, world := cx.Styles, cx.World
	done, total := tally(world)
	name := world.Topology.Name
	if name == "" {
		s.Fit(0, 0, w, st.Muted, "waiting for the supervisor")
		return
	}
	word, style, took := "Booting "+name, st.Title, cx.Now.Sub(world.Started)
	switch world.Phase {
	case event.Failed:
		word, style, took = "✗ "+name+" did not come up", st.Bad, world.PhaseSince.Sub(world.Started)
	case event.Running:
		word, style, took = "● "+name+" is up", st.OK, world.PhaseSince.Sub(world.Started)
	case event.Stopping, event.Stopped:
		word, style = name+" is "+string(world.Phase), st.Warn
	}
	s.Fit(0, 0, w, style, word)
	right := fmt.Sprintf("%d of %d steps   %s", done, total, widget.Seconds(took))
	if widget.Width(word)+widget.Width(right)+2 <= w {
		s.Right(w, 0, st.Text, right)
	}
	if total > 0 {
		widget.Gauge(s, 0, 1, w, style, st.Faint, float64(done)/float64(total))
	}
}

// failure says which step failed, why and what to do, and returns the lines used.
func failure(s widget.Surface, cx *screen.Context) int {
	w, h := s.Size()
	st, y := cx.Styles, 0
	say := func(label, text string, style themes.Style) {
		for i, line := range widget.Wrap(text, max(w-9, 10)) {
			if y >= h {
				return
			}
			if i == 0 {
				s.Text(0, y, st.Muted, label)
			}
			s.Fit(8, y, w-8, style, line)
			y++
		}
	}
	for _, step := range cx.World.Steps {
		if step.Error != "" {
			say("step", step.ID+": "+step.Title, st.Strong)
			say("error", widget.Clean(strings.ReplaceAll(step.Error, "\n", " ")), st.Bad)
		}
	}
	if cx.World.PhaseDetail != "" {
		say("lab", widget.Clean(strings.ReplaceAll(cx.World.PhaseDetail, "\n", " ")), st.Warn)
	}
	say("remedy", "The lab's state is kept: press q and shut it down, mend the cause, then run workbench up again; it goes on from here.", st.Text)
	return y + 1
}

// group is the steps of one node, or of the lab as a whole.
type group struct {
	name  string
	role  string
	steps []state.Step
}

// groups draws the steps of every node in a box of its own, and those of the lab
// as a whole above them.
func groups(s widget.Surface, cx *screen.Context) {
	w, h := s.Size()
	var whole group
	var list []group
	at := map[string]int{}
	controls := 0
	for _, n := range cx.Order() {
		at[n.Name] = len(list)
		list = append(list, group{name: n.Name, role: string(n.Role)})
		if n.Role == event.ControlPlane {
			controls++
		}
	}
	for _, step := range cx.World.Steps {
		if i, ok := at[step.Node]; ok {
			list[i].steps = append(list[i].steps, step)
		} else {
			whole.steps = append(whole.steps, step)
		}
	}
	columns := max(1, min(w/25, max(controls, len(list)-controls)))
	rows := ceil(controls, columns) + ceil(len(list)-controls, columns)
	top := ceil(len(whole.steps), max(w/40, 1))
	if len(list) == 0 || (h-top-1)/max(rows, 1) < 4 {
		flat(s, cx)
		return
	}
	inline(s.Sub(0, 0, w, top), cx, whole.steps)
	y, bw := top+1, w/columns
	for _, part := range [][]group{list[:controls], list[controls:]} {
		for len(part) > 0 {
			row := part[:min(columns, len(part))]
			part = part[len(row):]
			tall := 4
			for _, g := range row {
				tall = max(tall, len(g.steps)+2)
			}
			tall = min(tall, (h-y)/max(rows, 1))
			for i, g := range row {
				drawGroup(s.Sub(i*bw, y, bw, tall), cx, g)
			}
			y, rows = y+tall, rows-1
		}
	}
	if cx.Room >= screen.Two && h-y > 6 {
		s.Rule(y+1, cx.Styles, "What happened")
		pane.Feed(s.Sub(0, y+2, w, h-y-2), cx)
	}
}

func ceil(n, by int) int { return (n + by - 1) / by }

// inline draws steps side by side.
func inline(s widget.Surface, cx *screen.Context, steps []state.Step) {
	w, _ := s.Size()
	columns := max(w/40, 1)
	for i, step := range steps {
		drawStep(s.Sub(i%columns*(w/columns), i/columns, w/columns-2, 1), 0, cx, step)
	}
}

func drawGroup(s widget.Surface, cx *screen.Context, g group) {
	st := cx.Styles
	glyph, style := groupLamp(st, g.steps)
	box := widget.Box{Title: g.name, TitleStyle: st.Strong, Badge: glyph + " " + g.role, BadgeStyle: style, Border: st.Border}
	in := box.Draw(s).Inset(1, 0)
	w, h := in.Size()
	if len(g.steps) == 0 {
		in.Fit(0, 0, w, st.Off, "○ waits")
		return
	}
	steps := g.steps
	if len(steps) > h {
		steps = steps[len(steps)-h:]
	}
	for y, step := range steps {
		step.Title = strings.TrimSuffix(step.Title, " on "+g.name)
		if widget.Width(step.Title)+9 > w {
			step.Title = strings.TrimPrefix(step.Title, "start ")
		}
		drawStep(in, y, cx, step)
	}
}

func groupLamp(st *themes.Styles, steps []state.Step) (string, themes.Style) {
	glyph, style := "○", st.Off
	for _, step := range steps {
		switch {
		case step.Error != "":
			return "✗", st.Bad
		case !step.Done:
			glyph, style = "◐", st.Busy
		case glyph == "○":
			glyph, style = "✓", st.OK
		}
	}
	return glyph, style
}

func drawStep(s widget.Surface, y int, cx *screen.Context, step state.Step) {
	w, _ := s.Size()
	st := cx.Styles
	glyph, style, took := "◐", st.Busy, cx.Now.Sub(step.Started)
	switch {
	case step.Error != "":
		glyph, style, took = "✗", st.Bad, step.Took
	case step.Done:
		glyph, style, took = "✓", st.OK, step.Took
	}
	s.Text(0, y, style, glyph)
	time := duration(took)
	s.Fit(2, y, w-3-widget.Width(time), st.Text, step.Title)
	s.Right(w, y, st.Muted, time)
}

func duration(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.2fs", max(d, 0).Seconds())
	}
	return widget.Seconds(d)
}

// flat draws the last steps one after the other, where there is no room for boxes.
func flat(s widget.Surface, cx *screen.Context) {
	_, h := s.Size()
	steps := cx.World.Steps
	steps = steps[max(0, len(steps)-h):]
	for y, step := range steps {
		if step.Node != "" && !strings.Contains(step.Title, step.Node) {
			step.Title = step.Node + "  " + step.Title
		}
		drawStep(s, y, cx, step)
	}
}

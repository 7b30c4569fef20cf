package widget

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
)

func styles(t *testing.T) *themes.Styles {
	t.Helper()
	theme, err := themes.Find("")
	if err != nil {
		t.Fatal(err)
	}
	s := theme.Styles()
	return &s
}

// picture draws on a frame and gives its text.
func picture(w, h int, draw func(Surface)) string {
	f := NewFrame(w, h, themes.Style{}, false)
	draw(f.Surface())
	lines := strings.Split(ansi.Strip(f.Render()), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func TestNothingLeavesItsSurface(t *testing.T) {
	got := picture(7, 3, func(s Surface) {
		in := s.Sub(1, 1, 5, 1)
		in.Text(-2, 0, themes.Style{}, "abcdefghij")
		in.Text(0, 1, themes.Style{}, "below")
		in.Text(0, -1, themes.Style{}, "above")
		s.Sub(9, 9, 4, 4).Text(0, 0, themes.Style{}, "beyond")
	})
	if got != "\n cdefg\n" {
		t.Errorf("got %q", got)
	}
}

func TestWideSignsAreNotCut(t *testing.T) {
	for w, want := range map[int]string{3: "日", 4: "日本", 5: "日本"} {
		if got := picture(w, 1, func(s Surface) { s.Text(0, 0, themes.Style{}, "日本語") }); got != want {
			t.Errorf("width %d: got %q, want %q", w, got, want)
		}
	}
	got := picture(4, 1, func(s Surface) {
		s.Text(0, 0, themes.Style{}, "日本")
		s.Sub(1, 0, 2, 1).Fill(themes.Style{})
	})
	if ansi.StringWidth(got) > 4 || strings.ContainsAny(got, "日本") {
		t.Errorf("a sign cut in two is left: %q", got)
	}
}

func TestForeignTextCannotReachTheTerminal(t *testing.T) {
	evil := "a\x1b[31mred\x1b]0;title\x07\x9b2Jb\tc\r\n\x00d\u202e"
	if got := Clean(evil); strings.ContainsAny(got, "\x1b\x07\x00\r\n\t\u009b") {
		t.Errorf("cleaned to %q", got)
	}
	f := NewFrame(40, 1, themes.Style{}, false)
	f.Surface().Text(0, 0, themes.Style{}, evil)
	if out := f.Render(); strings.ContainsAny(out, "\x1b\x07\x00") {
		t.Errorf("drawn as %q", out)
	}
}

func TestClip(t *testing.T) {
	for _, test := range []struct{ in, end, middle string }{
		{"web", "web", "web"}, {"kube-controller-manager", "kube-cont…", "kube…nager"}, {"日本語日本語", "日本語日…", "日本…本語"},
	} {
		if got := Clip(test.in, 10); got != test.end || Width(got) > 10 {
			t.Errorf("Clip: got %q, want %q", got, test.end)
		}
		if got := ClipMiddle(test.in, 10); got != test.middle || Width(got) > 10 {
			t.Errorf("ClipMiddle: got %q, want %q", got, test.middle)
		}
	}
}

func TestTable(t *testing.T) {
	st := styles(t)
	table := Table{Focused: true, Selected: 1, Columns: []Column{{Title: "NAME", Grow: true}, {Title: "IP", Drop: 2}, {Title: "AGE", Right: true, Drop: 1}}}
	for _, name := range []string{"web-7c9d8f6b5-2hq7m", "api"} {
		table.Rows = append(table.Rows, []Cell{{Text: name}, {Text: "10.244.1.3"}, {Text: "5s"}})
	}
	for w, want := range map[int]string{
		60: " NAME                 IP          AGE\n web-7c9d8f6b5-2hq7m  10.244.1.3   5s\n▸api                  10.244.1.3   5s",
		30: " NAME                 AGE\n web-7c9d8f6b5-2hq7m   5s\n▸api                   5s",
		14: " NAME\n web-7c9d8f6…\n▸api",
	} {
		if got := picture(w, 3, func(s Surface) { table.Draw(s, st) }); got != want {
			t.Errorf("width %d:\n%s\nwant\n%s", w, got, want)
		}
	}
}

func TestTableScrollsToTheSelection(t *testing.T) {
	st := styles(t)
	table := Table{Focused: true, Selected: 90, Zone: "row/", Columns: []Column{{Title: "N"}}}
	for i := range 100 {
		table.Rows = append(table.Rows, []Cell{{Text: strings.Repeat("i", i%7+1)}})
	}
	f := NewFrame(20, 11, themes.Style{}, false)
	table.Draw(f.Surface(), st)
	if got := f.Hit(3, 6); got != "row/90" {
		t.Errorf("the selection is not in the middle: %q", got)
	}
	if got := f.Hit(3, 0); got != "" {
		t.Errorf("the header is no row: %q", got)
	}
}

func TestCharts(t *testing.T) {
	got := picture(6, 1, func(s Surface) { Spark(s, 0, 0, 6, themes.Style{}, themes.Style{}, []float64{0, 1, 4, 8}, 0) })
	if got != "▁▁▁▂▅█" {
		t.Errorf("sparkline %q", got)
	}
	if got := picture(8, 1, func(s Surface) { Gauge(s, 0, 0, 8, themes.Style{}, themes.Style{}, 0.5) }); got != "━━━━╌╌╌╌" {
		t.Errorf("gauge %q", got)
	}
	if got := picture(3, 2, func(s Surface) { Bars(s, themes.Style{}, []float64{1, 2, 4}, 4) }); got != "  █\n▄██" {
		t.Errorf("bars %q", got)
	}
}

func TestFormats(t *testing.T) {
	for want, got := range map[string]string{
		"42s": Age(42 * time.Second), "3m12s": Age(192 * time.Second), "5h": Age(5 * time.Hour), "8d": Age(8 * 24 * time.Hour), "0s": Age(-time.Second),
		"850ms": Short(850 * time.Millisecond), "3.2s": Short(3250 * time.Millisecond), "412Mi": Bytes(412 << 20), "1.2Gi": Bytes(1229 << 20),
		"0.31": Cores(0.31), "12.0": Cores(12), "-": Count(0), "1 pod": Plural(1, "pod"), "3 pods": Plural(3, "pod"), "2.0s": Seconds(2 * time.Second),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Every state has a shape and a word of its own: colour is never all there is.
func TestLampsDifferWithoutColor(t *testing.T) {
	st := styles(t)
	seen := map[string]string{}
	for _, phase := range []event.ComponentPhase{event.ComponentWaiting, event.ComponentStarted, event.ComponentReady,
		event.ComponentUnready, event.ComponentPaused, event.ComponentExited} {
		lamp := ComponentLamp(st, &state.Component{ComponentState: event.ComponentState{State: phase}})
		if other, taken := seen[lamp.Glyph]; taken {
			t.Errorf("%s and %s both show %s", phase, other, lamp.Glyph)
		}
		seen[lamp.Glyph] = string(phase)
	}
	roles := map[string]bool{}
	for _, role := range []event.RaftRoleName{"", event.RaftFollower, event.RaftPreCandidate, event.RaftCandidate, event.RaftLeader, event.RaftLearner} {
		roles[RaftLamp(st, role).Glyph] = true
	}
	if len(roles) != 6 {
		t.Errorf("the Raft roles have %d shapes", len(roles))
	}
}

func TestFrameAgain(t *testing.T) {
	f := NewFrame(4, 2, themes.Style{}, false)
	f.Surface().Text(0, 0, themes.Style{}, "old")
	f.Surface().Zone("z")
	g := f.Again(4, 2, themes.Style{})
	if g != f || strings.Contains(g.Render(), "old") || g.Hit(0, 0) != "" {
		t.Error("a frame drawn again must be empty")
	}
	if g.Again(5, 2, themes.Style{}) == f {
		t.Error("another size needs another frame")
	}
}

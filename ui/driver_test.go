package ui

import (
	"context"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/state"
	"workbench/ui/screen"
)

// driver uses the app as a user does: keys in, frames out, no terminal and no
// time in between. Its tests read like what the user does and sees.
type driver struct {
	t   *testing.T
	m   *app
	out *recorder
	// journal is all that happens; the failover story when nil.
	journal []event.Event
	// history is of the events up to known.
	history *history.History
	known   uint64
}

// recorder is an outside that notes what it was asked for.
type recorder struct {
	acts    []string
	runs    []string
	pages   []string
	stopped int
	windows []windowAsk
}

// windowAsk is a stretch of the past that the app asked for.
type windowAsk struct {
	id int
	at history.Instant
}

func (r *recorder) Window(id int, at history.Instant) {
	r.windows = append(r.windows, windowAsk{id, at})
}

func (r *recorder) Act(verb, target string) { r.acts = append(r.acts, verb+" "+target) }
func (r *recorder) Run(args []string)       { r.runs = append(r.runs, strings.Join(args, " ")) }
func (r *recorder) Page(_ int, args []string) func() {
	r.pages = append(r.pages, strings.Join(args, " "))
	return func() { r.stopped++ }
}
func (r *recorder) Shell(args []string) tea.Cmd {
	r.runs = append(r.runs, "shell "+strings.Join(args, " "))
	return nil
}

// open starts the app at a moment of the recorded journal.
func open(t *testing.T, w, h int, moment float64) *driver {
	t.Helper()
	return openConfig(t, Config{}, w, h, moment)
}

func openConfig(t *testing.T, cfg Config, w, h int, moment float64) *driver {
	t.Helper()
	out := &recorder{}
	d := &driver{t: t, m: newApp(cfg, out), out: out}
	d.m.Init()
	d.send(tea.WindowSizeMsg{Width: w, Height: h}, worldMsg{state.New()})
	if moment > 0 {
		d.send(eventsMsg{readJournal(t, moment)})
	}
	return d
}

func (d *driver) send(msgs ...tea.Msg) *driver {
	d.t.Helper()
	for _, msg := range msgs {
		d.m.Update(msg)
		for len(d.out.windows) > 0 {
			ask := d.out.windows[0]
			d.out.windows = d.out.windows[1:]
			win, err := d.past().Window(d.t.Context(), ask.at)
			d.m.Update(windowMsg{id: ask.id, win: win, err: err})
		}
	}
	return d
}

// past is the history of what arrived so far, with keyframes that are near each
// other, so that journeys cross them.
func (d *driver) past() *history.History {
	d.t.Helper()
	if d.history != nil && d.known == d.m.latest.Seq {
		return d.history
	}
	all := d.journal
	if all == nil {
		all = readJournal(d.t, storyLength)
	}
	h, err := history.Open(history.Config{Log: recordedLog(all[:d.m.latest.Seq]), Every: 40})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = h.Close() })
	if _, err := h.Fold(d.t.Context(), func(event.Event) {}); err != nil {
		d.t.Fatal(err)
	}
	d.history, d.known = h, d.m.latest.Seq
	return h
}

// recordedLog is a slice of events as a log.
type recordedLog []event.Event

func (l recordedLog) First() uint64                       { return 1 }
func (l recordedLog) Last() uint64                        { return uint64(len(l)) }
func (l recordedLog) Open(after, _ uint64) history.Cursor { return &logCursor{l[after:]} }

type logCursor struct{ rest []event.Event }

func (c *logCursor) Next(context.Context) ([]event.Event, error) {
	n := min(len(c.rest), 64)
	out := c.rest[:n]
	c.rest = c.rest[n:]
	return out, nil
}
func (c *logCursor) Close() error { return nil }

// until lets the journal go on to a later moment.
func (d *driver) until(moment float64) *driver {
	d.t.Helper()
	var news []event.Event
	for _, e := range readJournal(d.t, moment) {
		if e.Seq > d.m.latest.Seq {
			news = append(news, e)
		}
	}
	return d.send(eventsMsg{news})
}

// press presses keys: single characters, or names such as "enter".
func (d *driver) press(keys ...string) *driver {
	d.t.Helper()
	named := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown,
		"left": tea.KeyLeft, "right": tea.KeyRight, "end": tea.KeyEnd, "backspace": tea.KeyBackspace, "pgdown": tea.KeyPgDown}
	for _, k := range keys {
		switch code, ok := named[k]; {
		case ok:
			d.send(tea.KeyPressMsg{Code: code})
		case k == "space":
			d.send(tea.KeyPressMsg{Code: tea.KeySpace, Text: " "})
		case k == "ctrl+c":
			d.send(tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl})
		default:
			d.send(tea.KeyPressMsg{Code: []rune(k)[0], Text: k})
		}
	}
	return d
}

// typing presses one key per letter.
func (d *driver) typing(text string) *driver {
	d.t.Helper()
	for _, r := range text {
		d.press(string(r))
	}
	return d
}

// click clicks on the first place where a text is.
func (d *driver) click(text string) *driver {
	d.t.Helper()
	for y, line := range strings.Split(d.frame(), "\n") {
		if i := strings.Index(line, text); i >= 0 {
			return d.send(tea.MouseClickMsg{X: ansi.StringWidth(line[:i]), Y: y, Button: tea.MouseLeft})
		}
	}
	d.t.Fatalf("there is no %q to click on:\n%s", text, d.frame())
	return d
}

// frame is what the user sees, without colours.
func (d *driver) frame() string {
	lines := strings.Split(ansi.Strip(d.m.View().Content), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

func (d *driver) sees(texts ...string) *driver {
	d.t.Helper()
	for _, text := range texts {
		if frame := d.frame(); !strings.Contains(frame, text) {
			d.t.Fatalf("%q is not on the screen:\n%s", text, frame)
		}
	}
	return d
}

func (d *driver) seesNot(texts ...string) *driver {
	d.t.Helper()
	for _, text := range texts {
		if frame := d.frame(); strings.Contains(frame, text) {
			d.t.Fatalf("%q is on the screen:\n%s", text, frame)
		}
	}
	return d
}

func (d *driver) asked(want ...string) *driver {
	d.t.Helper()
	if got := strings.Join(d.out.acts, ", "); got != strings.Join(want, ", ") {
		d.t.Fatalf("the supervisor was asked for %q, want %q", got, strings.Join(want, ", "))
	}
	return d
}

func TestBootGoesToLab(t *testing.T) {
	open(t, 100, 30, booting).sees("Booting demo", "steps", "kube-apiserver").
		until(running).sees("c1", "★ LEADER", "workers 3/3 Ready").seesNot("Booting demo")
}

func TestFailedBootSaysWhatToDo(t *testing.T) {
	d := open(t, 100, 30, booting)
	at := d.m.world.Now
	d.send(eventsMsg{[]event.Event{
		{Time: at, Body: event.StepDone{ID: "c2/kube-apiserver", Took: time.Second, Error: "listen tcp 10.40.0.12:6443: address already in use"}},
		{Time: at, Body: event.LabPhase{Phase: event.Failed, Detail: "step c2/kube-apiserver failed; see workbench logs c2/kube-apiserver"}},
	}})
	d.sees("✗ demo did not come up", "address already in use", "see workbench logs c2/kube-apiserver", "remedy")
}

func TestKillNode(t *testing.T) {
	d := open(t, 120, 40, running).press("right", "down")
	d.press("K").sees("Kill w2?", "$ workbench node kill w2", "$ kill -9 4752", "power loss").asked()
	d.press("esc").seesNot("Kill w2?").asked()
	d.press("K", "y").sees("workbench node kill w2  =  kill -9 4752").asked("node.kill w2")
	d.until(silent).sees("✗ KILLED", "NotReady").
		until(evicting).sees("3 pods", "evicted in 0.7s?", "taint unreachable:NoSchedule").
		until(moved).sees("3 pods evicted")
	d.press("u").asked("node.kill w2", "node.start w2")
}

func TestPauseAndResumeComponent(t *testing.T) {
	d := open(t, 120, 40, running).press("tab", "down").sees("kube-apiserver")
	d.press("P").sees("Pause c1/kube-apiserver?", "nsenter -t 4700 -p kill -STOP 31").press("enter").asked("component.pause c1/kube-apiserver")
	d.send(eventsMsg{[]event.Event{{Time: d.m.world.Now, Body: event.ComponentState{Node: "c1", Component: "kube-apiserver", State: event.ComponentPaused, PID: 31}}}})
	d.sees("‖ api", "1 component down").press("P").asked("component.pause c1/kube-apiserver", "component.resume c1/kube-apiserver")
	d.press("D").sees("D stops whole nodes")
}

func TestLockRefusesFaults(t *testing.T) {
	d := open(t, 120, 40, running).press("L").sees("LOCKED").press("K").seesNot("Kill c1?").sees("the session is locked").asked()
	d.press("6", "x").sees("the session is locked")
	d.press("L", "1", "K").sees("Kill c1?")
}

func TestRefusalIsShown(t *testing.T) {
	open(t, 120, 40, running).send(noteMsg{text: "node.kill w2 refused: another action is under way", bad: true}).
		sees("another action is under way")
}

func TestFreeze(t *testing.T) {
	d := open(t, 120, 40, running).press("space").sees("PAUSED")
	d.until(noLeader+4).sees("★ LEADER term 3", "t-6.").seesNot("KILLED")
	d.press(".").sees("PAUSED")
	d.press("end").sees("● LIVE", "✗ KILLED", "★ LEADER term 4")
}

func TestLosingTheSupervisor(t *testing.T) {
	d := open(t, 120, 40, running)
	d.send(lostMsg{at: d.m.world.Now, err: tea.ErrProgramKilled}).sees("connection to the supervisor lost since 10:42:18", "STALE")
	d.send(worldMsg{d.m.world}).sees("● LIVE").seesNot("lost since")
}

func TestRaftScreen(t *testing.T) {
	d := open(t, 120, 40, noLeader).press("2").sees("There is no leader", "c1 and c3 are 2 of 3", "✗ node killed")
	d.until(newLeader).sees("★ LEADER", "c3 leads and c1 and c3 make the quorum of 2", "last 30s")
	d.press("[").sees("last 2m0s").press("]", "]").sees("last 5s")
	d.press("K").sees("Kill c1/etcd?", "stays down", "kill -KILL 20")
}

func TestRaftQuorumLost(t *testing.T) {
	d := open(t, 120, 40, newLeader).press("2")
	d.send(eventsMsg{[]event.Event{{Time: d.m.world.Now, Body: event.NodeState{Node: "c3", State: event.NodeKilled}}}})
	d.sees("Quorum is lost: c1 alone of 3 can vote, 2 are needed", "no leader can be elected")
}

func TestWorkloads(t *testing.T) {
	d := open(t, 120, 40, running).press("6").sees("NAMESPACE", "web-7c9d8f6b5-2hq7m", "● Running", "10.244.1.3")
	d.press("n").sees("namespace default", "none in this namespace").press("n").seesNot("coredns").sees("namespace demo").press("n", "n").sees("all namespaces")
	d.press("/").typing("gn6").sees("/gn6").press("enter").sees("filter “gn6”", "web-7c9d8f6b5-gn6rb").seesNot("2hq7m")
	d.press("d").sees("describe pod demo/web-7c9d8f6b5-gn6rb", "waiting for output")
	d.send(pageMsg{id: 1, lines: []string{"Name: web", "Status: Running"}}, pageMsg{id: 7, lines: []string{"of another page"}})
	d.sees("Status: Running").seesNot("of another page").press("q").seesNot("Status: Running")
	if d.out.stopped != 1 {
		t.Error("the command of a closed page must be stopped")
	}
	d.press("x").sees("Delete pod demo/web-7c9d8f6b5-gn6rb?").press("y")
	if got := strings.Join(d.out.runs, ";"); got != "kubectl delete pod web-7c9d8f6b5-gn6rb -n demo --wait=false" {
		t.Errorf("ran %q", got)
	}
	d.press("s").sees("kubectl exec -it web-7c9d8f6b5-gn6rb -n demo -- sh")
	d.press("esc", "tab").sees("UP-TO-DATE").press("tab").sees("PORT(S)", "80:30080/TCP", "6/6").press("tab").sees("SHARED", "none").press("tab").sees("LAST SEEN", "Unhealthy")
}

func TestLogsFollow(t *testing.T) {
	d := open(t, 80, 24, running).press("6", "l")
	if got := d.out.pages[0]; got != "kubectl logs -f --tail=500 --all-containers pod/web-7c9d8f6b5-2hq7m -n demo" {
		t.Errorf("ran %q", got)
	}
	var lines []string
	for i := range 100 {
		lines = append(lines, strings.Repeat("x", i))
	}
	d.send(pageMsg{id: 1, lines: append(lines, "the last line")}).sees("the last line", "following")
	d.press("up").seesNot("the last line").send(pageMsg{id: 1, lines: []string{"newer"}}).seesNot("newer").press("G").sees("newer")
	d.press("/").typing("last").press("enter").sees("the last line").seesNot("newer").press("esc").seesNot("the last line")
}

func TestPalette(t *testing.T) {
	d := open(t, 120, 40, running).press(":").sees("go to Raft").typing("gora").press("enter").sees("Election")
	d.press(":").typing("kill w3").press("enter").sees("Kill w3?").press("n")
	d.press(":").typing("thmono").press("enter").sees("theme mono")
	d.press(":").typing("zzz").sees("nothing of that name").press("esc").seesNot("nothing of that name")
}

func TestHelpNamesEveryKey(t *testing.T) {
	d := open(t, 200, 60, running).press("?")
	for _, s := range d.m.screens {
		for _, b := range s.Keys() {
			d.sees(b.Help().Desc)
		}
	}
	for _, b := range d.m.keys.bindings() {
		d.sees(b.Help().Desc)
	}
	d.press("esc").seesNot("any other key closes")
}

func TestMouse(t *testing.T) {
	d := open(t, 120, 40, running).click("2 Raft").sees("Election").click("1 Lab").click(" w3 ")
	if got := d.m.selection.Node; got != "w3" {
		t.Errorf("clicked on w3, selected %q", got)
	}
	d.click("● proxy")
	if got := d.m.selection; got.Component != "kube-proxy" || !got.InComponents {
		t.Errorf("clicked on kube-proxy, selected %+v", got)
	}
	d.press("7").send(tea.MouseWheelMsg{Button: tea.MouseWheelDown})
}

func TestQuit(t *testing.T) {
	for keys, want := range map[string]Quit{"q k": Keep, "q d": Down, "ctrl+c ctrl+c": Keep, "q enter": Keep} {
		d := open(t, 80, 24, running)
		press := strings.Fields(keys)
		d.press(press[0]).sees("keep it running", "shut it down")
		_, cmd := d.m.Update(keyOf(press[1]))
		if cmd == nil || d.m.quit != want {
			t.Errorf("%s: quit %v, cmd %v, want %v", keys, d.m.quit, cmd != nil, want)
		}
	}
	open(t, 80, 24, running).press("q", "esc").seesNot("keep it running")
}

func keyOf(name string) tea.KeyPressMsg {
	switch name {
	case "enter":
		return tea.KeyPressMsg{Code: tea.KeyEnter}
	case "ctrl+c":
		return tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}
	}
	return tea.KeyPressMsg{Code: rune(name[0]), Text: name}
}

func TestScreensGoBack(t *testing.T) {
	open(t, 80, 24, running).press("2").sees("Election").press("backspace").sees("leads kcm").seesNot("Election").
		press("6").sees("Pods").press("-").seesNot("READY")
}

func TestFilterGreysOutNodes(t *testing.T) {
	open(t, 120, 40, running).press("/").typing("w2").press("enter").sees("filter “w2”", " c1 ").press("esc").seesNot("filter “")
}

// Ticks move only what counts: the clock of the frame follows the machine's.
func TestTicks(t *testing.T) {
	d := open(t, 120, 40, silent)
	if d.m.schedule(); !d.m.ticking {
		t.Fatal("a lease grows old: the app must tick")
	}
	began := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	before := d.m.now
	if d.m.View(); d.send(tickMsg(began)).m.changed {
		t.Error("the first tick after a batch makes the app draw the same again")
	}
	if d.send(tickMsg(began.Add(250 * time.Millisecond))); !d.m.changed {
		t.Error("time has passed, and the app draws nothing")
	}
	if got := d.m.now.Sub(before); got != 250*time.Millisecond {
		t.Errorf("the frame's time moved by %v", got)
	}
	if idle := open(t, 120, 40, running); idle.m.ticking {
		t.Error("nothing counts down: the app must not tick")
	}
}

func TestNumbersAreUnique(t *testing.T) {
	seen := map[int]bool{}
	for _, s := range screens() {
		a := s.About()
		if a.ID == "" || a.Title == "" || a.Text == "" {
			t.Errorf("%+v is not complete", a)
		}
		if a.Number > 0 && seen[a.Number] {
			t.Errorf("two screens on key %d", a.Number)
		}
		seen[a.Number] = true
	}
	var _ screen.Screen = screens()[0]
}

// A key that several screens have is said once.
func TestHelpSaysEachKeyOnce(t *testing.T) {
	m := open(t, 200, 60, running).m
	seen := map[string]string{}
	for _, sec := range newHelp(m).sections(m) {
		for _, b := range sec.keys {
			at := b.Help().Key + " " + b.Help().Desc
			if before, twice := seen[at]; twice && strings.HasPrefix(sec.title, "on ") {
				t.Errorf("%q is under %s and under %s", at, before, sec.title)
			}
			seen[at] = sec.title
		}
	}
}

package ui

import (
	"fmt"
	"time"

	"workbench/cluster/history"
	"workbench/cluster/state"
	"workbench/ui/plain"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// mode is how the shown instant moves.
type mode int

const (
	live    mode = iota // with the lab
	paused              // not at all
	playing             // by its own clock, times speed
)

// clock is which instant all screens show.
type clock struct {
	mode  mode
	speed float64   // while playing; 1 is as it happened
	past  *past     // around the instant; nil until it is needed
	mark  time.Time // the second cursor
	until time.Time // how far it is played; the picture follows
	asked int       // number of the last window asked for
	want  *want
}

// want is what a window was asked for.
type want struct {
	at history.Instant
	// step goes on to the nearest event that says something, from an event: -1 back, 1 forth.
	step int
	from uint64
	// play brings more to play, as far as that is by then.
	play bool
}

// windowMsg is a stretch of the past that was asked for.
type windowMsg struct {
	id  int
	win history.Window
	err error
}

// speeds are those that the keys go through.
func speeds() []float64 { return []float64{0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 100} }

// behind is how much older the picture is than what is known.
func (m *app) behind() time.Duration { return max(m.latest.Now.Sub(m.now), 0) }

// hold stops the picture where it is; what arrives is folded elsewhere.
func (m *app) hold() {
	if m.clock.mode == live {
		m.world = m.latest.Clone()
		m.feed = append([]plain.Entry(nil), m.feed...)
	}
	m.clock.mode = paused
}

// space pauses, or plays on from here.
func (m *app) space() {
	if m.clock.mode != paused {
		m.hold()
		return
	}
	m.play()
}

func (m *app) play() {
	if m.cfg.Replay != nil && !m.now.Before(m.latest.Now) {
		m.seek(history.Instant{Time: m.cfg.Replay.Start}) // again from the start
	}
	m.clock.mode, m.played, m.clock.until = playing, time.Time{}, time.Time{}
}

// live shows what is now; of a recording, its end.
func (m *app) live() {
	if m.cfg.Replay != nil {
		m.seek(history.Instant{Seq: m.latest.Seq})
		m.clock.mode = paused
		return
	}
	m.clock.mode, m.clock.past, m.clock.want = live, nil, nil
	m.world, m.feed = m.latest, m.news
	m.now = m.latest.Now
	m.ticked = time.Time{}
	m.follow()
}

// faster goes through the speeds.
func (m *app) faster(by int) {
	i := 0
	for i < len(speeds())-1 && speeds()[i] < m.clock.speed {
		i++
	}
	m.clock.speed = speeds()[max(0, min(i+by, len(speeds())-1))]
	if m.clock.mode == live {
		m.say(fmt.Sprintf("speed x%g is for the past; the present goes at its own", m.clock.speed), false)
	}
}

// seek shows an instant, at once when it is near, else when its stretch of the
// past has come.
func (m *app) seek(at history.Instant) {
	m.hold()
	m.clock.until = time.Time{}
	byTime := at.Seq == 0 && !at.Time.IsZero()
	if p := m.clock.past; !byTime && p.has(at.Seq) || byTime && p.hasTime(at) {
		m.showPast(p.index(at), at.Time)
		return
	}
	m.ask(want{at: at})
}

// step shows the state after the next event that says something, or after the
// one before.
func (m *app) step(by int) {
	m.hold()
	at, p := m.world.Seq, m.clock.past
	if !p.has(at) {
		p = nil
	}
	switch {
	case by > 0 && at >= m.latest.Seq:
		m.say("nothing newer has happened", false)
	case by > 0 && p != nil:
		m.stepOn(p, at)
	case by > 0:
		m.ask(want{at: history.Instant{Seq: at}, from: at, step: 1})
	case p != nil:
		m.stepBack(p, at)
	case at == 0:
		m.say("this is the beginning", false)
	default:
		m.ask(want{at: history.Instant{Seq: at - 1}, from: at, step: -1})
	}
}

// stepOn shows the first state after an event that says something, in a stretch
// or in what follows it.
func (m *app) stepOn(p *past, after uint64) {
	for i, ok := p.later(0); ok; i, ok = p.later(i) {
		if p.seq(i) > after {
			m.showPast(i, time.Time{})
			return
		}
	}
	if p.reaches(m.latest) {
		m.say("nothing newer has happened", false)
		return
	}
	m.ask(want{at: history.Instant{Seq: p.seq(len(p.events))}, from: after, step: 1})
}

// stepBack shows the last state before an event that says something, in a stretch
// or in what it follows.
func (m *app) stepBack(p *past, before uint64) {
	for i, ok := p.earlier(len(p.events) + 1); ok; i, ok = p.earlier(i) {
		if p.seq(i) < before {
			m.showPast(i, time.Time{})
			return
		}
	}
	if p.base.Seq == 0 {
		m.say("this is the beginning", false)
		return
	}
	m.ask(want{at: history.Instant{Seq: p.base.Seq - 1}, from: before, step: -1})
}

func (m *app) ask(w want) {
	m.clock.asked++
	m.clock.want = &w
	m.outside.Window(m.clock.asked, w.at)
}

// arrivePast shows what was asked for.
func (m *app) arrivePast(msg windowMsg) {
	w := m.clock.want
	if msg.id != m.clock.asked || w == nil || m.clock.mode == live {
		return // asked for something else meanwhile
	}
	m.clock.want = nil
	p, err := (*past)(nil), msg.err
	if err == nil {
		p, err = newPast(msg.win)
	}
	if err != nil {
		m.clock.mode = paused
		m.say(err.Error(), true)
		return
	}
	if w.step == 0 || m.clock.past == nil || p.base.Seq != m.clock.past.base.Seq || len(p.events) > len(m.clock.past.events) {
		m.clock.past = p
	}
	switch p = m.clock.past; {
	case w.play:
		at := m.clock.until
		m.showPast(p.index(history.Instant{Time: at}), at)
	case w.step > 0:
		m.stepOn(p, w.from)
	case w.step < 0:
		m.stepBack(p, w.from)
	default:
		m.showPast(p.index(w.at), w.at.Time)
	}
	if m.notice != "" {
		m.say(m.notice, true)
		m.notice = ""
	}
}

// showPast shows the state after i events of the stretch, at a time not before
// that of its last event; zero is that time.
func (m *app) showPast(i int, now time.Time) {
	p := m.clock.past
	shown := m.world
	if shown == m.latest || shown.Seq != p.seq(p.at) || m.shownFrom != p {
		shown = nil
	}
	m.world, m.shownFrom = p.show(shown, i), p
	m.feed = p.told()
	m.now = m.world.Now
	if now.After(m.now) {
		m.now = now
		if !m.latest.Now.IsZero() && m.now.After(m.latest.Now) {
			m.now = m.latest.Now
		}
	}
	m.follow()
}

// advance plays on by the time that passed.
func (m *app) advance(passed time.Duration) {
	c := &m.clock
	if c.want != nil && !c.want.play {
		return // until the instant has come that the user wants
	}
	c.until = maxTime(c.until, m.now).Add(time.Duration(float64(passed) * c.speed))
	switch {
	case !c.until.Before(m.latest.Now):
		if m.live(); m.cfg.Replay != nil {
			m.endOfRecording()
		}
	case c.past.hasTime(history.Instant{Time: c.until}) || c.past.has(m.world.Seq) && c.past.reaches(m.latest):
		m.showPast(c.past.index(history.Instant{Time: c.until}), c.until)
	case c.want == nil:
		m.ask(want{at: history.Instant{Time: c.until}, play: true})
	}
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// endOfRecording says that there is no more, and where that is not as it should
// be, why.
func (m *app) endOfRecording() {
	if notice := m.cfg.Replay.Notice; notice != "" {
		m.say(notice, true)
		return
	}
	m.say("this is the end of the recording; space plays it again", false)
}

// jump shows the next marker (1), or the one before (-1).
func (m *app) jump(by int) {
	at := m.world.Seq
	var best state.Mark
	var lane string
	consider := func(name string, k state.Mark) {
		switch {
		case k.Seq == 0, by > 0 && k.Seq <= at, by < 0 && k.Seq >= at:
		case best.Seq == 0, by > 0 && k.Seq < best.Seq, by < 0 && k.Seq > best.Seq, k.Seq == best.Seq && name < lane:
			best, lane = k, name
		}
	}
	m.latest.Timeline.Markers(consider)
	m.world.Timeline.Markers(consider)
	switch {
	case best.Seq == 0 && by > 0:
		m.say("there is no marker after this", false)
	case best.Seq == 0:
		m.say("there is no marker before this", false)
	default:
		m.seek(history.Instant{Seq: best.Seq})
		m.say(fmt.Sprintf("%s %s  %s %s", best.At.Local().Format("15:04:05.000"), lane, best.Class, best.Text), false)
	}
}

// setMark puts the second cursor here, or takes it away.
func (m *app) setMark() {
	if m.clock.mark.Equal(m.now) {
		m.clock.mark = time.Time{}
		m.say("mark cleared", false)
		return
	}
	m.clock.mark = m.now
	m.say("marked "+m.now.Local().Format("15:04:05.000")+": the distance to it is shown below; ' here again clears it", false)
}

// refusePast says why nothing can be done to the lab now, and whether so.
func (m *app) refusePast() bool {
	switch {
	case m.cfg.Replay != nil:
		m.say("this is a recording: there is no lab to act on", true)
	case m.clock.mode != live:
		m.say("you are looking at "+m.now.Local().Format("15:04:05.000")+", not at the lab as it is: end goes live", true)
	default:
		return false
	}
	return true
}

// clockView is the clock as screens see it.
func (m *app) clockView() screen.Clock {
	return screen.Clock{
		Live: m.clock.mode == live, Playing: m.clock.mode == playing, Replay: m.cfg.Replay != nil, Mark: m.clock.mark, Latest: m.latest,
	}
}

// transportText is what the transport bar says.
func (m *app) transportText() string {
	text := ""
	switch {
	case m.cfg.Replay != nil && m.clock.mode == playing:
		text = fmt.Sprintf("▶ REPLAY x%g %s", m.clock.speed, m.position())
	case m.cfg.Replay != nil:
		text = "‖ REPLAY " + m.position()
	case m.clock.mode == playing:
		text = fmt.Sprintf("▶ PLAY x%g t-%s", m.clock.speed, widget.Seconds(m.behind()))
	case m.clock.mode == paused:
		text = "‖ PAUSED t-" + widget.Seconds(m.behind())
	}
	if m.clock.want != nil && !m.clock.want.play {
		text += " …"
	}
	return text
}

// position is how far into a recording the picture is.
func (m *app) position() string {
	from := m.cfg.Replay.Start
	return widget.Seconds(m.now.Sub(from)) + "/" + widget.Seconds(m.latest.Now.Sub(from))
}

// delta is the distance to the second cursor; "" when there is none.
func (m *app) delta() string {
	if m.clock.mark.IsZero() {
		return ""
	}
	return "Δ " + widget.Delta(m.now.Sub(m.clock.mark))
}

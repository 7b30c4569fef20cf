package ui

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// TestBeatsOfAllWorkersShareAStrip holds that a failure on one of many workers is
// seen, named, and shown first where there is no room for all.
func TestBeatsOfAllWorkersShareAStrip(t *testing.T) {
	at := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	m := newApp(Config{}, nil)
	m.world = state.New()
	probe := func(target string, ok bool) {
		m.world.Apply(event.Event{Time: at, Body: event.Probe{Target: target, OK: ok, Latency: 2 * time.Millisecond}})
	}
	for range 8 {
		at = at.Add(slot)
		for _, target := range []string{"api-read", "api-write", "etcd-write", "dns/w1", "dns/w2", "service/w1", "service/w2", "service/w3"} {
			probe(target, true)
		}
	}
	at = at.Add(slot)
	probe("dns/w1", true)
	probe("dns/w2", false)
	m.now = at.Add(time.Second)

	var names []string
	for _, b := range m.beats() {
		names = append(names, b.name)
	}
	if got := strings.Join(names, " "); got != "service api-read api-write dns etcd-write" {
		t.Errorf("strips %s", got)
	}
	for _, b := range m.beats() {
		text, _ := m.verdict(b)
		want := "2ms"
		if b.name == "dns" {
			want = "FAILS 1.0s w2"
			signs := merged(b.series)
			if len(signs) != 9 || signs[8] || !signs[7] {
				t.Errorf("signs of dns: %v", signs)
			}
		}
		if text != want {
			t.Errorf("%s: %q, want %q", b.name, text, want)
		}
	}
	m.w, m.h = 80, 24
	lines := strings.Split(ansi.Strip(m.View().Content), "\n")
	if pulse := lines[len(lines)-2]; !strings.Contains(pulse, "dns |||x FAILS 1.0s w2") {
		t.Errorf("at 80 columns the pulse is %q", pulse)
	}
}

// TestPulseOff holds that a pulse that was switched off shows no old probes, says
// how it goes on, and that the palette knows.
func TestPulseOff(t *testing.T) {
	at := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	m := newApp(Config{}, nil)
	m.world, m.now, m.w, m.h = state.New(), at, 120, 40
	pulse := func() string {
		m.changed = true
		lines := strings.Split(ansi.Strip(m.View().Content), "\n")
		return lines[len(lines)-2]
	}
	offers := func() string {
		for _, e := range m.entries() {
			if strings.HasPrefix(e.text, "pulse ") {
				return e.text
			}
		}
		return ""
	}
	m.world.Apply(event.Event{Time: at, Body: event.Probe{Target: "api-read", Error: "it hangs"}})
	if got := pulse(); !strings.Contains(got, "api-read") || offers() != "pulse off" {
		t.Errorf("on: %q, the palette offers %q", got, offers())
	}
	m.world.Apply(event.Event{Time: at, Body: event.PulseSwitched{}})
	if got := pulse(); strings.Contains(got, "api-read") || !strings.Contains(got, "pulse: off; workbench pulse on") || offers() != "pulse on" {
		t.Errorf("off: %q, the palette offers %q", got, offers())
	}
	if marks := m.world.Timeline.Lanes[state.LanePulse+"/api-read"].Marks; marks[len(marks)-1].Class != "" {
		t.Errorf("the outage goes on while nothing is probed: %+v", marks)
	}
}

package ui

import (
	"fmt"
	"testing"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/state"
)

// proxyJournal was recorded in a real lab of one control plane and two workers:
// a client on w2 asks a Service all the time, the Deployment behind it grows, a
// connection is traced to w1, w1 loses its power, and one is traced again.
const proxyJournal = "testdata/proxy.jsonl"

// Moments of it, in seconds from its start.
const (
	proxyTraced  = 116.0 // to a pod on w1, which answered
	proxyDead    = 122.8 // w1 is dead, the rules of w2 still name its pods
	proxyShrunk  = 126.5 // NotReady: the rules have shrunk
	proxyReplace = 132.0 // other pods are in their place
)

// openProxy starts the app at a moment of that journal, on its screen.
func openProxy(t *testing.T, w, h int, moment float64) *driver {
	t.Helper()
	return openProxyOf(t, proxyJournal, w, h, moment)
}

// openProxyOf does so with another journal.
func openProxyOf(t *testing.T, journal string, w, h int, moment float64) *driver {
	t.Helper()
	events := eventsUntil(t, journal, moment)
	out := &recorder{}
	d := &driver{t: t, m: newApp(Config{}, out), out: out}
	d.m.Init()
	d.send(tea.WindowSizeMsg{Width: w, Height: h}, worldMsg{state.New()}, eventsMsg{events})
	return d.press("5", "n")
}

// web chooses the Service of the story.
func (d *driver) web() *driver { return d.press("G") }

func TestProxyFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for _, shot := range []struct {
			name   string
			moment float64
			keys   []string
		}{
			{"proxy", proxyTraced, nil},
			{"proxy-trace", proxyTraced, []string{"tab"}},
			{"proxy-dead", proxyDead, nil},
			{"proxy-changes", proxyReplace, []string{"tab", "tab"}},
		} {
			t.Run(fmt.Sprintf("%s/%dx%d", shot.name, size[0], size[1]), func(t *testing.T) {
				d := openProxy(t, size[0], size[1], shot.moment).web().press(shot.keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/%s-%dx%d.txt", shot.name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
}

func TestProxyScreen(t *testing.T) {
	d := openProxy(t, 120, 40, proxyTraced).web()
	d.sees("default/web:http", "random 1 of 4", "p 0.250", "4 pods ready  >  slices 4 ready  >  rules  w1 4  w2 4", "all agree", "verdict REPLY", "on w1", "on w2")
	d.press("up").sees("default/web-sticky", "a client stays with it for 3h").seesNot("p 0.250")
	d.press("up").sees("node:30080/tcp", "node port, local policy", "external IP, local policy")
	d.press("up").sees("no endpoint: packets are rejected", "rejected 1")
	d.web().press("n").sees("t traces from default/web-").press("n", "t").asked("proxy.trace default/client default/web:http")
	d.press("c", "t").asked("proxy.trace default/client default/web:http", "proxy.trace default/web-788bfc7b6d-4x9nb default/web:http")
	d.press("r", "esc", "a")
	if got := fmt.Sprint(d.out.pages); got != "[proxy rules w2 default/web:http proxy rules w2]" {
		t.Errorf("ran %s", got)
	}
	d.press("esc").press("/").typing("nobody").press("enter").sees("filter “nobody”", "default/nobody").seesNot("10.96.148.26:80/tcp")
}

// TestProxyOfADeadNode: everybody agrees on endpoints that are gone, until
// Kubernetes notices.
func TestProxyOfADeadNode(t *testing.T) {
	d := openProxy(t, 120, 40, proxyDead).web().
		sees("NODE DOWN", "all agree, all wrong", "w1 unreachable", "w1 is down for", "NotReady in", "no reply", "to dead endpoints", "verdict NO REPLY")
	d.press("n").sees("unreachable for", "rules as of before")
	openProxy(t, 120, 40, proxyShrunk).web().sees("it is NotReady").seesNot("all agree, all wrong")
	openProxy(t, 120, 40, proxyReplace).web().sees("all agree;", "the rules no longer have")
}

func TestProxyWithoutRules(t *testing.T) {
	open(t, 80, 24, running).press("5").sees("no rules have been read yet").press("n", "t", "r", "tab").sees("no rules have been read yet")
}

// TestProxyOddSizes draws it where there is hardly room.
func TestProxyOddSizes(t *testing.T) {
	d := openProxy(t, 80, 24, proxyDead).web()
	for _, size := range [][2]int{{0, 0}, {1, 1}, {3, 3}, {20, 5}, {40, 12}, {60, 20}, {79, 23}, {99, 29}, {159, 44}, {160, 45}, {300, 100}} {
		d.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		for range panes {
			d.press("tab")
			checkFits(t, d, size[0], size[1])
		}
	}
}

const panes = 3

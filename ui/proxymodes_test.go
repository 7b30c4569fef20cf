package ui

import (
	"fmt"
	"testing"
)

// userspaceJournal was recorded in a real lab of one control plane and two
// workers, whose kube-proxies carry connections themselves: a client on w2 asks
// two Services all the time, the Deployment behind them grows, connections are
// traced, and kube-proxy of w2 is killed. Eight quiet minutes are cut out.
const userspaceJournal = "testdata/proxy-userspace.jsonl"

// nftablesJournal is the same story in nftables mode, without its end.
const nftablesJournal = "testdata/proxy-nftables.jsonl"

// Moments of them, in seconds from their start.
const (
	nftablesTraced  = 127.0 // to a pod, which answered
	userspaceTraced = 155.5 // to a pod on w1, which answered
	userspaceKilled = 668.0 // a connection was traced without kube-proxy
)

// aboveDNS chooses the Service that is asked: the name service's three ports
// come after it.
func (d *driver) aboveDNS() *driver { return d.press("G", "up", "up", "up") }

func TestProxyModesFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for _, shot := range []struct {
			name, journal string
			moment        float64
			keys          []string
		}{
			{"proxy-userspace", userspaceJournal, userspaceTraced, nil},
			{"proxy-userspace-trace", userspaceJournal, userspaceTraced, []string{"tab"}},
			{"proxy-userspace-killed", userspaceJournal, userspaceKilled, nil},
			{"proxy-nftables", nftablesJournal, nftablesTraced, nil},
			{"proxy-nftables-trace", nftablesJournal, nftablesTraced, []string{"tab"}},
		} {
			t.Run(fmt.Sprintf("%s/%dx%d", shot.name, size[0], size[1]), func(t *testing.T) {
				d := openProxyOf(t, shot.journal, size[0], size[1], shot.moment).aboveDNS().press(shot.keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/%s-%dx%d.txt", shot.name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
}

func TestUserspaceProxyScreen(t *testing.T) {
	d := openProxyOf(t, userspaceJournal, 120, 40, userspaceTraced).aboveDNS()
	d.sees("userspace", "NetworkPolicy default/deny has no effect", "socket > kube-proxy > random 1 of 4", "endpoints see the node's address", "all agree", "verdict REPLY", "a second connection")
	d.press("up").sees("a client stays with it for 3h")
	d.press("up").sees("default/nobody", "nothing listens, clients see")
	d = openProxyOf(t, userspaceJournal, 120, 40, userspaceKilled).aboveDNS()
	d.sees("kube-proxy is down for", "nothing listens, clients are refused", "not listening", "w2 serves nothing", "no kube-proxy runs on w2", "verdict REFUSED", "kube-proxy of w2 does not run")
}

func TestNFTablesProxyScreen(t *testing.T) {
	d := openProxyOf(t, nftablesJournal, 200, 60, nftablesTraced).aboveDNS()
	d.sees("nftables", "map service-ips", "random 1 of 4", "hits of rules not counted", "verdict REPLY", "goto service-", "all agree")
	d.press("up", "up").sees("default/nobody", "packets are rejected", "verdict REFUSED")
}

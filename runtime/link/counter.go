package link

import (
	"regexp"
	"strconv"
)

// Counter counts packets of one sender.
type Counter struct {
	Dropped uint64 // by a cut or a loss
	Queued  uint64 // handed to the delayer
}

func (c Counter) plus(o Counter) Counter {
	return Counter{Dropped: c.Dropped + o.Dropped, Queued: c.Queued + o.Queued}
}

// listed is a line of `iptables -S -v`: peer, packets, target.
var listed = regexp.MustCompile(`--comment "?from:([^" ]+)"? .*-c (\d+) \d+ .*-j (DROP|NFQUEUE)`)

// parseCounters sums the packets of each peer.
func parseCounters(lines []string) map[string]Counter {
	out := map[string]Counter{}
	for _, line := range lines {
		m := listed.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		n, err := strconv.ParseUint(m[2], 10, 64)
		if err != nil {
			continue
		}
		c := out[m[1]]
		if m[3] == "DROP" {
			c.Dropped += n
		} else {
			c.Queued += n
		}
		out[m[1]] = c
	}
	return out
}

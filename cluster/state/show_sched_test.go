package state

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func showSched(line printer, s *Sched) {
	for _, c := range s.Cycles {
		bound := ""
		if c.Bind.Outcome != "" {
			bound = fmt.Sprintf(", %s at %s", c.Bind.Outcome, after(c.BindAt))
		}
		line("%s attempt %d on %s at %s: %s %q %d rows%s", c.Pod.Name, c.Attempt, c.Instance, after(c.At), c.Outcome, c.Node, len(c.Rows), bound)
	}
	line("%d rows, %d dropped", s.Rows, s.Dropped)
	for _, e := range s.Evicted {
		line("victim %s of %s on %s at %s", e.Victim.Key(), e.Preemptor.Key(), e.Node, after(e.At))
	}
	var counts []string
	for _, place := range slices.Sorted(maps.Keys(s.Queues.Counts)) {
		counts = append(counts, fmt.Sprintf("%s %d", place, s.Queues.Counts[place]))
	}
	line("queues of %s at %s: %s", s.Queues.Instance, after(s.QueuesAt), strings.Join(counts, ", "))
	for _, p := range s.Queues.Pods {
		line("  %s %s %v", p.Pod.Key(), p.Place, p.Plugins)
	}
	for _, w := range s.Queues.Waits {
		line("  %s waits for %v", w.Plugin, w.Events)
	}
}

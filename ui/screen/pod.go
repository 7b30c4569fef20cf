package screen

import (
	"fmt"

	"workbench/cluster/event"
)

// Containers is how many of a pod's containers are ready, as kubectl prints it,
// and how often they were restarted.
func Containers(p *event.KubePod) (ready string, restarts int) {
	n := 0
	for _, c := range p.Containers {
		if c.Ready {
			n++
		}
		restarts += int(c.Restarts)
	}
	return fmt.Sprintf("%d/%d", n, len(p.Containers)), restarts
}

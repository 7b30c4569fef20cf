package ui

import (
	"fmt"
	"strings"

	"workbench/ui/screen"
	"workbench/ui/screen/boot"
	"workbench/ui/screen/components"
	"workbench/ui/screen/lab"
	"workbench/ui/screen/proxy"
	"workbench/ui/screen/raft"
	"workbench/ui/screen/recovery"
	"workbench/ui/screen/schedule"
	"workbench/ui/screen/timeline"
	"workbench/ui/screen/watch"
	"workbench/ui/screen/workloads"
)

// screens are all screens, in the order of their numbers.
func screens() []screen.Screen {
	return []screen.Screen{
		boot.New(),
		lab.New(),
		raft.New(),
		watch.New(),
		schedule.New(),
		proxy.New(),
		workloads.New(),
		components.New(),
		timeline.New(),
		recovery.New(),
	}
}

// findScreen is the index of a screen.
func findScreen(all []screen.Screen, id string) (int, error) {
	var known []string
	for i, s := range all {
		if s.About().ID == id {
			return i, nil
		}
		known = append(known, s.About().ID)
	}
	return 0, fmt.Errorf("screen %q: there is no such screen; there are %s", id, strings.Join(known, ", "))
}

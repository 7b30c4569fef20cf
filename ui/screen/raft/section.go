package raft

import (
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// section is a part of the screen that has a place where there is room.
type section struct {
	// least and most are how many lines it takes, its title included.
	least, most int
	draw        func(s widget.Surface, cx *screen.Context)
}

// The sections in the order they are drawn in.
const (
	sectionLog = iota
	sectionMessages
	sectionElection
	sectionLines
	sectionCount
)

// urgency is which sections get room first; the one the user chose comes before.
var urgency = [sectionCount]int{sectionMessages, sectionElection, sectionLog, sectionLines}

// share gives sections their lines: each its least as long as there is room,
// the chosen one first, then what is left in the same order.
func share(sections [sectionCount]section, chosen, room int) [sectionCount]int {
	order := []int{chosen}
	for _, i := range urgency {
		if i != chosen {
			order = append(order, i)
		}
	}
	var lines [sectionCount]int
	for _, i := range order {
		if least := sections[i].least; least > 0 && least <= room {
			lines[i] = least
			room -= least
		}
	}
	for _, i := range order {
		if lines[i] > 0 {
			more := min(sections[i].most-lines[i], room)
			lines[i] += more
			room -= more
		}
	}
	return lines
}

// Package priority says who comes first when a lab takes all that the machine has.
package priority

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Nice values. What shows a lab needs little, but soon: where it has to wait like
// all others, what it shows comes in jerks, and what it watches seems to fail.
const (
	Observer = -5
	Lab      = 0
)

// Set gives the process, and what it will start, a nice value (setpriority(2)).
// Only with CAP_SYS_NICE may it be less than before.
func Set(nice int) error {
	// On Linux it is a thread's. One made later is as the one that made it, so it
	// takes another look where some were made meanwhile.
	done := map[int]bool{}
	for {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("set priority: %w", err)
		}
		complete := true
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil || done[id] {
				continue
			}
			done[id], complete = true, false
			if err := unix.Setpriority(unix.PRIO_PROCESS, id, nice); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("set priority %d: %w", nice, err)
			}
		}
		if complete {
			return nil
		}
	}
}

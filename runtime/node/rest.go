package node

import (
	"errors"
	"syscall"
	"time"
)

// restGrace is how long processes that are no components, the containers of pods,
// may take to end when the node shuts down; then the power is off. restPoll is how
// often it is looked whether they have: the kernel tells PID 1 of its children only.
const (
	restGrace = 3 * time.Second
	restPoll  = 20 * time.Millisecond
)

// endRest asks all that is left in the node to end, as the PID 1 of any machine does
// at last (systemd-shutdown(8)), and waits until it has. The components must be
// stopped: nobody may start again what ends.
func endRest(grace time.Duration) {
	const all = -1 // everything in the PID namespace but the caller, which is its PID 1
	if errors.Is(syscall.Kill(all, syscall.SIGTERM), syscall.ESRCH) {
		return
	}
	_ = syscall.Kill(all, syscall.SIGCONT) // what is stopped cannot end
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	look := time.NewTicker(restPoll)
	defer look.Stop()
	for {
		select {
		case <-deadline.C:
			return
		case <-look.C:
			if errors.Is(syscall.Kill(all, 0), syscall.ESRCH) {
				return
			}
		}
	}
}

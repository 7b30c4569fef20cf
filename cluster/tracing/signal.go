package tracing

import (
	"os"
	"syscall"
)

// signalOf is the number of the signal that ended a process; 0 for none.
func signalOf(p *os.ProcessState) int {
	if status, ok := p.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return int(status.Signal())
	}
	return 0
}

// Package memory keeps what a process holds of the machine's memory in step with
// what it does. A lab is some two dozen processes, most of which do nearly nothing
// most of the time: then memory is dearer than collecting garbage more often.
package memory

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// GOGC, in percent of what is live.
const (
	busy = 100 // as it is by itself
	rest = 25
)

// Start is GOGC of a process that starts, which allocates much and keeps little.
type Start int

// The ways to start. With little collected, a program that keeps much keeps it among
// what is free again: that costs a kube-apiserver 17 MB for good, and others 1 MB.
const (
	Quick Start = 400
	Dense Start = busy
)

// period is how often a process looks at what collecting garbage costs.
const period = 10 * time.Second

// What collecting may cost at rest, as a share of one processor, and the share at
// which a busy process counts as at rest again. The same garbage costs four times as
// much at rest; the gap between both keeps a process from swinging.
const (
	dear  = 0.02
	cheap = dear * rest / busy / 2
)

// settled is when a process's start is over, also on a loaded machine.
const settled = 20 * time.Second

// Keep lets garbage grow while a process starts, and settles it when that is over. It
// does not set GOGC where the environment does.
func Keep(start Start) {
	if !chosen() {
		debug.SetGCPercent(int(start))
	}
	time.AfterFunc(settled, Settle)
}

// Settle gives back what a start left, and from then on lets garbage grow with
// what the process does, until the process ends. It does not set GOGC where
// the environment does.
func Settle() {
	Release()
	if chosen() {
		return
	}
	debug.SetGCPercent(rest)
	go pace()
}

func chosen() bool { return os.Getenv("GOGC") != "" }

func pace() {
	percent, spent := rest, collecting()
	for range time.Tick(period) {
		now := collecting()
		if next := after(percent, (now-spent)/period.Seconds()); next != percent {
			debug.SetGCPercent(next)
			percent = next
		}
		spent = now
	}
}

// after is GOGC after a period with percent in which collecting took that share of
// a processor.
func after(percent int, share float64) int {
	switch {
	case percent == rest && share > dear:
		return busy
	case percent == busy && share < cheap:
		return rest
	}
	return percent
}

// collecting is the processor time in seconds that the collector has taken so far,
// but for what it did because nothing else was to do.
func collecting() float64 {
	of := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"}}
	metrics.Read(of)
	return of[0].Value.Float64() - of[1].Value.Float64()
}

// Release returns free memory to the system, and with it the pages of the program
// itself, of which a start needs more than what follows: its code, its constants,
// and with those the files that it carries. What is needed again is mapped again
// from the page cache.
func Release() {
	debug.FreeOSMemory()
	_ = releaseProgram() // it is only accounted to this process for longer
}

func releaseProgram() error {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range unchanged(string(smaps), self) {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, c.from, c.to-c.from, unix.MADV_DONTNEED); errno != 0 {
			errs = append(errs, fmt.Errorf("release %x-%x: %w", c.from, c.to, errno))
		}
	}
	return errors.Join(errs...)
}

// area is a part of the address space.
type area struct{ from, to uintptr }

// unchanged are the read-only mappings of the program's file that hold what the
// file holds: the kernel brings that back. A page that a dynamic linker has written
// to before it became read-only, or a debugger since, is a copy (Anonymous, proc(5)),
// which would be lost.
func unchanged(smaps, program string) []area {
	var out []area
	var current area
	for line := range strings.Lines(smaps) {
		line = strings.TrimSpace(line)
		var a area
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &a.from, &a.to, &mode); n == 3 {
			current = area{}
			if (mode == "r--p" || mode == "r-xp") && strings.HasSuffix(line, " "+program) {
				current = a
			}
			continue
		}
		if current.to != 0 && strings.Join(strings.Fields(line), " ") == "Anonymous: 0 kB" {
			out = append(out, current)
		}
	}
	return out
}

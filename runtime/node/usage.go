package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"workbench/cluster/event"
)

// clockTick is USER_HZ: the unit of processor time in /proc, 100 per second on
// every architecture Linux gives to user space.
const clockTick = time.Second / 100

// sample reports what components use, until the init ends.
func (s *set) sample(every time.Duration, meter meter) {
	if every <= 0 {
		return
	}
	for range time.Tick(every) {
		s.mu.Lock()
		names := map[int]string{}
		for name, p := range s.byName {
			if p.pid != 0 {
				names[p.pid] = name
			}
		}
		s.mu.Unlock()
		u := usage(s.node, meter.proc, names)
		u.ByPod, u.Network = meter.pods(), meter.network()
		s.emit(time.Now(), u)
	}
}

// usage reads all processes of the node. Processes that are neither a
// component nor this init count as pods.
func usage(node, proc string, names map[int]string) event.ComponentUsage {
	u := event.ComponentUsage{Node: node, Components: map[string]event.Usage{}}
	entries, err := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	if err != nil {
		return u
	}
	for _, dir := range entries {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == 1 {
			continue
		}
		one, ok := readUsage(dir)
		if !ok {
			continue // it ended meanwhile
		}
		if name, ok := names[pid]; ok {
			u.Components[name] = one
			continue
		}
		u.Pods.CPU += one.CPU
		u.Pods.MemoryBytes += one.MemoryBytes
	}
	return u
}

// readUsage reads proc(5): utime and stime in clock ticks (fields 14 and 15 of
// stat), resident and shared in pages (fields 2 and 3 of statm). What is shared
// is mostly the text of the one binary, which all components of all nodes map:
// it is counted to nobody.
func readUsage(dir string) (event.Usage, bool) {
	raw, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return event.Usage{}, false
	}
	end := bytes.LastIndexByte(raw, ')') // the command may contain anything
	if end < 0 {
		return event.Usage{}, false
	}
	fields := strings.Fields(string(raw[end+1:]))
	if len(fields) < 22 {
		return event.Usage{}, false
	}
	var size, resident, shared int64
	statm, err := os.ReadFile(filepath.Join(dir, "statm"))
	if err != nil {
		return event.Usage{}, false
	}
	if _, err := fmt.Sscan(string(statm), &size, &resident, &shared); err != nil {
		return event.Usage{}, false
	}
	number := func(field int) int64 {
		n, _ := strconv.ParseInt(fields[field-3], 10, 64)
		return n
	}
	return event.Usage{
		CPU:         time.Duration(number(14)+number(15)) * clockTick,
		MemoryBytes: max(0, resident-shared) * int64(os.Getpagesize()),
	}, true
}

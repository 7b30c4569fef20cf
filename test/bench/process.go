package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is USER_HZ, which is 100 on every architecture that Linux gives to
// user space.
const clockTick = time.Second / 100

// usage is what a tree of processes has used and uses.
type usage struct {
	Processes int
	CPU       time.Duration // with that of children that ended
	PSS       int64         // bytes; shared pages count in part
	Private   int64         // bytes
}

// treeCPU is the processor time of a process and all below it, also of what
// ended there and was waited for.
func treeCPU(root int) (time.Duration, error) {
	var sum time.Duration
	pids, err := tree(root)
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		f, err := stat(pid)
		if err != nil {
			continue // it ended meanwhile; its parent has its time
		}
		sum += f.own + f.children
	}
	return sum, nil
}

// treeUsage is treeCPU with memory, which is slower to read.
func treeUsage(root int) (usage, error) {
	cpu, err := treeCPU(root)
	if err != nil {
		return usage{}, err
	}
	pids, err := tree(root)
	if err != nil {
		return usage{}, err
	}
	u := usage{CPU: cpu}
	for _, pid := range pids {
		one, err := memory(pid)
		if err != nil {
			continue
		}
		u.Processes++
		u.PSS += one.PSS
		u.Private += one.Private
	}
	return u, nil
}

// times of a process: proc(5), stat, fields 14 to 17.
type times struct {
	parent        int
	own, children time.Duration
}

func stat(pid int) (times, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return times{}, err
	}
	end := bytes.LastIndexByte(raw, ')') // the command may contain anything
	f := strings.Fields(string(raw[end+1:]))
	if end < 0 || len(f) < 15 {
		return times{}, fmt.Errorf("read stat of %d: %q", pid, raw)
	}
	n := func(field int) int {
		v, _ := strconv.Atoi(f[field-3])
		return v
	}
	return times{parent: n(4), own: time.Duration(n(14)+n(15)) * clockTick, children: time.Duration(n(16)+n(17)) * clockTick}, nil
}

// tree is a process and all its descendants.
func tree(root int) ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if t, err := stat(pid); err == nil {
			children[t.parent] = append(children[t.parent], pid)
		}
	}
	out := []int{root}
	for i := 0; i < len(out); i++ {
		out = append(out, children[out[i]]...)
	}
	return out, nil
}

func memory(pid int) (usage, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return usage{}, err
	}
	defer f.Close()
	var u usage
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "Pss:":
			u.PSS = kilobytes << 10
		case "Private_Clean:", "Private_Dirty:":
			u.Private += kilobytes << 10
		}
	}
	return u, lines.Err()
}

// find is the process with a command line that contains all of the words in a
// row.
func find(words ...string) (int, error) {
	want := []byte("\x00" + strings.Join(words, "\x00") + "\x00")
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, dir := range dirs {
		raw, err := os.ReadFile(dir + "/cmdline")
		if err == nil && bytes.Contains(raw, want) {
			return strconv.Atoi(filepath.Base(dir))
		}
	}
	return 0, fmt.Errorf("no process %s", strings.Join(words, " "))
}

// machineBusy is the processor time that all of the machine has spent working
// since it started: proc(5), stat, all but idle, iowait and steal.
func machineBusy() (time.Duration, error) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	fields := strings.Fields(line)
	if len(fields) < 8 || fields[0] != "cpu" {
		return 0, fmt.Errorf("read /proc/stat: %q", line)
	}
	var sum int
	for _, i := range []int{1, 2, 3, 6, 7} {
		v, err := strconv.Atoi(fields[i])
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return time.Duration(sum) * clockTick, nil
}

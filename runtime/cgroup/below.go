package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Sub is a group below a node's that holds processes.
type Sub struct {
	Path      string // below the node's group
	Processes []int
}

// memoryDir is the node's group in the hierarchy of the memory controller.
func (g *Group) memoryDir() (dir string, v2 bool) {
	for _, h := range g.hierarchies {
		if h.V2 || slices.Contains(strings.Split(h.Options, ","), "memory") {
			return filepath.Join(h.Mount, g.path), h.V2
		}
	}
	return "", false
}

// Below are the groups below the node's whose path matches and that hold
// processes, in the hierarchy of the memory controller.
func (g *Group) Below(match func(path string) bool) ([]Sub, error) {
	root, _ := g.memoryDir()
	var out []Sub
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // it has gone meanwhile, or is a file
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || !match(rel) {
			return err
		}
		if pids := ownProcesses(path); len(pids) > 0 {
			out = append(out, Sub{rel, pids})
		}
		return nil
	})
	return out, err
}

func ownProcesses(dir string) []int {
	var pids []int
	for _, word := range readWords(dir, "cgroup.procs") {
		if n := size([]string{word}); n > 0 {
			pids = append(pids, int(n))
		}
	}
	return pids
}

// OOMKills is how many processes of a group below the node's the kernel ended
// for want of memory, as memory.oom_control (v1) and memory.events (v2) have it.
func (g *Group) OOMKills(sub string) int64 {
	root, v2 := g.memoryDir()
	file := "memory.oom_control"
	if v2 {
		file = "memory.events"
	}
	words := readWords(filepath.Join(root, sub), file)
	for i := range words {
		if words[i] == "oom_kill" && i+1 < len(words) {
			return size(words[i+1 : i+2])
		}
	}
	return 0
}

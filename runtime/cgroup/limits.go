package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Limit changes the group's limits. A memory limit below what the kernel can
// reclaim is refused on cgroup v1 (EBUSY) and ends processes on v2.
func (g *Group) Limit(l Limits) error {
	if err := g.limit(l); err != nil {
		return fmt.Errorf("limit cgroup %s: %w", g.path, err)
	}
	return nil
}

// Limits are those in force, as the kernel's files have them.
func (g *Group) Limits() (Limits, error) {
	var l Limits
	for _, h := range g.hierarchies {
		dir := filepath.Join(h.Mount, g.path)
		switch controllers := strings.Split(h.Options, ","); {
		case h.V2:
			l.CPUs = cores(readWords(dir, "cpu.max"))
			l.MemoryBytes = size(readWords(dir, "memory.max"))
		case slices.Contains(controllers, "cpu"):
			l.CPUs = cores(append(readWords(dir, "cpu.cfs_quota_us"), readWords(dir, "cpu.cfs_period_us")...))
		case slices.Contains(controllers, "memory"):
			l.MemoryBytes = size(readWords(dir, "memory.limit_in_bytes"))
		}
	}
	return l, nil
}

// MemoryBytes is what the group's processes and their files in memory take.
func (g *Group) MemoryBytes() int64 {
	for _, h := range g.hierarchies {
		dir := filepath.Join(h.Mount, g.path)
		for _, file := range []string{"memory.current", "memory.usage_in_bytes"} {
			if n := size(readWords(dir, file)); n > 0 {
				return n
			}
		}
	}
	return 0
}

func readWords(dir, file string) []string {
	raw, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return nil
	}
	return strings.Fields(string(raw))
}

// cores reads "quota period"; max or -1 is no limit.
func cores(words []string) float64 {
	if len(words) != 2 {
		return 0
	}
	quota, err := strconv.ParseFloat(words[0], 64)
	period, perr := strconv.ParseFloat(words[1], 64)
	if err != nil || perr != nil || quota <= 0 || period <= 0 {
		return 0
	}
	return quota / period
}

// noLimit is from where on cgroup v1 means no limit: it rounds the largest
// number down to pages.
const noLimit = 1 << 62

func size(words []string) int64 {
	if len(words) != 1 {
		return 0
	}
	n, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil || n >= noLimit {
		return 0
	}
	return n
}

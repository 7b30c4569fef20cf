package logind

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultDelay is logind's own InhibitDelayMaxSec (logind.conf(5)).
const defaultDelay = 5 * time.Second

// delayMax is the InhibitDelayMaxSec of a directory of configuration files: of
// the one whose name comes last.
func delayMax(dir string) time.Duration {
	limit := defaultDelay
	files, _ := filepath.Glob(filepath.Join(dir, "*.conf")) // the pattern is well formed
	slices.Sort(files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // as logind does: the others count
		}
		if d, ok := delayOf(string(raw)); ok {
			limit = d
		}
	}
	return limit
}

// delayOf reads one file. Of systemd's spans of time (systemd.time(7)) it knows
// those of one number, in seconds or with a unit that Go shares.
func delayOf(text string) (d time.Duration, ok bool) {
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		if section != "[Login]" || strings.TrimSpace(key) != "InhibitDelayMaxSec" {
			continue
		}
		value = strings.TrimSpace(value)
		if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
			d, ok = time.Duration(seconds)*time.Second, true
		} else if span, err := time.ParseDuration(value); err == nil && span >= 0 {
			d, ok = span, true
		}
	}
	return d, ok
}

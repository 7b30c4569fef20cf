package harness

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/plain"
)

// dumpWidth is where long log lines are cut, in bytes.
const dumpWidth = 300

// dump logs what helps to understand a failure, once for a lab.
func (l *Lab) dump() {
	if !l.dumped.CompareAndSwap(false, true) {
		return
	}
	l.t.Logf("--- lab %s in %s", l.Name, l.State)
	l.dumpFile(l.Log(), 60)
	if r := l.Run("status"); r.Code == 0 {
		l.t.Logf("--- status\n%s", r.Stdout)
		l.dumpEvents(80)
	} else {
		l.t.Logf("--- no status: %s", strings.TrimSpace(r.Stderr))
	}
	for _, pattern := range []string{l.Dir() + "/init.log", l.Dir() + "/nodes/*/init.log", l.Root("*") + "/var/log/workbench/*.log"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			l.t.Logf("--- %s: %v", pattern, err)
		}
		for _, file := range files {
			l.dumpFile(file, 5)
		}
	}
}

func (l *Lab) dumpFile(file string, lines int) {
	raw, err := os.ReadFile(file)
	switch {
	case err != nil:
		l.t.Logf("--- %v", err)
	case len(raw) > 0:
		var out strings.Builder
		for line := range strings.Lines(tail(string(raw), lines+1)) {
			out.WriteString(line[:min(len(line), dumpWidth)])
			if len(line) > dumpWidth {
				out.WriteString("…\n")
			}
		}
		l.t.Logf("--- end of %s\n%s", strings.TrimPrefix(file, l.Dir()+"/"), out.String())
	}
}

func (l *Lab) dumpEvents(lines int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var out bytes.Buffer
	w := plain.NewWriter(&out, state.New())
	err := l.client.Events(ctx, 0, func(events []event.Event) {
		if err := w.Write(events); err != nil {
			l.t.Logf("--- events: %v", err)
		}
	})
	l.t.Logf("--- last events (%v)\n%s", err, tail(out.String(), lines))
}

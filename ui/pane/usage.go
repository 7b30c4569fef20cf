package pane

import (
	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// Usage is the recent use of a whole node, oldest first: its components and its pods.
func Usage(n *state.Node) (cores, memory []float64) {
	series := []state.UsageSeries{n.Pods}
	length := len(n.Pods.Samples)
	for _, c := range List(n) {
		if c.PID != 0 {
			series = append(series, c.Usage)
			length = max(length, len(c.Usage.Samples))
		}
	}
	length = min(length, state.MaxUsage)
	cores, memory = make([]float64, length), make([]float64, length)
	for _, s := range series {
		samples := s.Samples[max(0, len(s.Samples)-length):]
		skip := length - len(samples)
		for i, sample := range samples {
			cores[skip+i] += sample.Cores
			memory[skip+i] += float64(sample.MemoryBytes)
		}
	}
	return cores, memory
}

// CPU draws a node's processor use: label, sparkline and number in w columns.
func CPU(s widget.Surface, x, y, w int, cx *screen.Context, n *state.Node) {
	cores, _ := Usage(n)
	text := "-"
	if up(n) && len(cores) > 0 {
		text = widget.Cores(cores[len(cores)-1])
	} else {
		cores = nil
	}
	series(s, x, y, w, cx, "cpu", text, cores, max(n.CPUs/4, 0.25))
}

// Memory draws a node's memory use: label, sparkline and number in w columns.
func Memory(s widget.Surface, x, y, w int, cx *screen.Context, n *state.Node) {
	_, memory := Usage(n)
	text, top := "-", 0.0
	if up(n) && len(memory) > 0 {
		text = widget.Bytes(int64(memory[len(memory)-1]))
		for _, v := range memory {
			top = max(top, v)
		}
	} else {
		memory = nil
	}
	series(s, x, y, w, cx, "mem", text, memory, max(top*1.6, float64(n.MemoryBytes)))
}

func up(n *state.Node) bool {
	return n.State == event.NodeRunning || n.State == event.NodePaused
}

func series(s widget.Surface, x, y, w int, cx *screen.Context, label, text string, values []float64, top float64) {
	const number = 6
	if w < 4+number {
		return
	}
	x = s.Text(x, y, cx.Styles.Muted, label+" ")
	if bars := w - 4 - number; bars > 1 {
		widget.Spark(s, x, y, bars, cx.Styles.Info, cx.Styles.Faint, values, top)
		s.Right(x+bars+number, y, cx.Styles.Text, text)
		return
	}
	s.Fit(x, y, w-4, cx.Styles.Text, text)
}

package metrics

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// figures are values by metric and then by label, as event.ComponentMetrics has them.
type figures map[string]map[string]float64

// parse reads the text format (version 0.0.4) and keeps what the families name.
func parse(from io.Reader, keep families) (figures, error) {
	text, err := withoutBuckets(from, keep)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	parsed, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	out := figures{}
	for name, family := range parsed {
		labels, wanted := keep[name]
		if !wanted {
			continue
		}
		for _, m := range family.GetMetric() {
			out.add(name, label(m, labels), m)
		}
	}
	return out, nil
}

// withoutBuckets leaves out the lines of buckets, which are most of all lines, and
// those of families that were not asked for, before anything is parsed.
func withoutBuckets(from io.Reader, keep families) (*bytes.Buffer, error) {
	var out bytes.Buffer
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 4096), 1<<20)
	kept := false
	for lines.Scan() {
		line := lines.Bytes()
		if bytes.HasPrefix(line, []byte("# TYPE ")) {
			name, _, _ := bytes.Cut(line[len("# TYPE "):], []byte(" "))
			_, kept = keep[string(name)]
		}
		if !kept || bytes.HasPrefix(line, []byte("# HELP")) {
			continue
		}
		if at := bytes.IndexByte(line, '{'); at > 0 && bytes.HasSuffix(line[:at], []byte("_bucket")) {
			continue
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	return &out, lines.Err()
}

// label is the values of the labels that are kept.
func label(m *dto.Metric, names []string) string {
	var values []string
	for _, name := range names {
		for _, l := range m.GetLabel() {
			if l.GetName() == name {
				values = append(values, l.GetValue())
			}
		}
	}
	return strings.Join(values, " ")
}

func (f figures) add(name, label string, m *dto.Metric) {
	put := func(name string, v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return // JSON has no such numbers
		}
		if f[name] == nil {
			f[name] = map[string]float64{}
		}
		f[name][label] += v
	}
	switch {
	case m.Counter != nil:
		put(name, m.Counter.GetValue())
	case m.Gauge != nil:
		put(name, m.Gauge.GetValue())
	case m.Untyped != nil:
		put(name, m.Untyped.GetValue())
	case m.Histogram != nil:
		put(name+"_sum", micros(m.Histogram.GetSampleSum()))
		put(name+"_count", float64(m.Histogram.GetSampleCount()))
	case m.Summary != nil:
		put(name+"_sum", micros(m.Summary.GetSampleSum()))
		put(name+"_count", float64(m.Summary.GetSampleCount()))
	}
}

// micros is a sum to the millionth: its last digits are noise of the addition.
func micros(v float64) float64 { return math.Round(v*1e6) / 1e6 }

// since is what differs from an earlier reading.
func (f figures) since(old figures) figures {
	out := figures{}
	for name, values := range f {
		for label, v := range values {
			if before, known := old[name][label]; known && before == v {
				continue
			}
			if out[name] == nil {
				out[name] = map[string]float64{}
			}
			out[name][label] = v
		}
	}
	return out
}

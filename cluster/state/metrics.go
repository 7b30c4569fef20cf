package state

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"workbench/cluster/event"
)

// MaxMetrics bounds the readings whose figures are kept: 15 min at one in 15 s.
const MaxMetrics = 60

// Figures are values by metric and then by label; see event.ComponentMetrics.
type Figures map[string]map[string]float64

// Metrics is what a component says of itself. A component of a node has at most
// some 400 figures (a kube-controller-manager that leads), or 20 kB of JSON.
type Metrics struct {
	// At is the last reading, Since the first one of this process.
	At    time.Time `json:"at"`
	Since time.Time `json:"since"`
	// Figures are as the component has them: counters since its start, and gauges.
	Figures Figures `json:"figures,omitempty"`
	// Rates are the counters' growth per second between the last two readings;
	// those that did not grow are left out.
	Rates Figures `json:"rates,omitempty"`
	// Steps are the milliseconds from the reading before to each, and History by
	// the name of a Reading its values, oldest first, of equal length.
	Steps   []int32              `json:"steps,omitempty"`
	History map[string][]float64 `json:"history,omitempty"`
}

func (w *World) applyMetrics(at time.Time, b event.ComponentMetrics) {
	n := w.Nodes[b.Node]
	if n == nil {
		return
	}
	for name, r := range b.Components {
		c := n.Components[name]
		switch {
		case c == nil:
		case c.Metrics == nil && !r.All:
			// What it differs from was not seen.
		case r.All:
			c.Metrics = &Metrics{At: at, Since: at, Figures: Figures{}}
			for name, values := range r.Figures {
				c.Metrics.Figures[name] = maps.Clone(values)
			}
		default:
			c.Metrics.next(at, r, Readings(name))
		}
	}
}

// next folds a reading after the first one.
func (m *Metrics) next(at time.Time, b event.MetricsReading, readings []Reading) {
	step := at.Sub(m.At)
	m.Rates = Figures{}
	for name, values := range b.Figures {
		if m.Figures[name] == nil {
			m.Figures[name] = map[string]float64{}
		}
		for label, v := range values {
			grown := v - m.Figures[name][label]
			m.Figures[name][label] = v
			if !counts(name) || grown <= 0 || step <= 0 {
				continue
			}
			if m.Rates[name] == nil {
				m.Rates[name] = map[string]float64{}
			}
			m.Rates[name][label] = rounded(grown / step.Seconds())
		}
	}
	m.At = at
	m.Steps = bounded(append(m.Steps, small(step.Milliseconds())), MaxMetrics)
	mk(&m.History)
	for _, r := range readings {
		m.History[r.Name] = bounded(append(m.History[r.Name], rounded(r.Of(m))), MaxMetrics)
	}
}

// counts says whether a metric is a counter, by the rules for their names.
func counts(name string) bool {
	return strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "_sum")
}

// rounded keeps six digits, for short JSON.
func rounded(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	scale := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// Labels are the labels of a metric, sorted.
func (f Figures) Labels(name string) []string { return slices.Sorted(maps.Keys(f[name])) }

// Sum adds up a metric over the labels that match, in their order; nil matches all.
func (f Figures) Sum(name string, match func(label string) bool) float64 {
	sum := 0.0
	for _, label := range f.Labels(name) {
		if match == nil || match(label) {
			sum += f[name][label]
		}
	}
	return sum
}

// Mean is the mean of a histogram between the last two readings, in its unit, over
// the labels that match; false when nothing was counted.
func (m *Metrics) Mean(name string, match func(label string) bool) (float64, bool) {
	count := m.Rates.Sum(name+"_count", match)
	if count <= 0 {
		return 0, false
	}
	return m.Rates.Sum(name+"_sum", match) / count, true
}

// Span is how far back the history reaches from the last reading.
func (m *Metrics) Span() time.Duration {
	return UsageSeries{Steps: m.Steps}.Span()
}

// Is matches one label.
func Is(want string) func(string) bool { return func(label string) bool { return label == want } }

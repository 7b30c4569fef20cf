package event

func init() { register[ComponentMetrics]() }

// ComponentMetrics is what the components of a node say of themselves: some
// figures of their own /metrics, by the component's name. One that did not answer
// is left out.
type ComponentMetrics struct {
	Node       string                    `json:"node"`
	Components map[string]MetricsReading `json:"components"`
}

// MetricsReading is what one component says, as it stands in its /metrics. Of
// histograms there are the sum, in seconds to the millionth, and the count; the
// buckets are left out.
type MetricsReading struct {
	// All says that the figures are all there are, which begins anew; otherwise
	// they are those that differ from the reading before.
	All bool `json:"all,omitempty"`
	// Figures by the metric's name, and then by the values of the labels that are
	// kept, with a space between them; over all other labels they are summed.
	Figures map[string]map[string]float64 `json:"figures,omitempty"`
}

// Type implements Body.
func (ComponentMetrics) Type() string { return "component.metrics" }

func (ComponentMetrics) sealed() {}

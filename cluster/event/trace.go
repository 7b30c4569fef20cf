package event

import "time"

func init() {
	register[TraceStarted]()
	register[TraceSpans]()
	register[TraceEnded]()
}

// TraceStarted begins the trace of one command: what it asks of the API carries
// the trace's ID, and kubelets record what they do for pods until it ends.
type TraceStarted struct {
	// ID is the trace's, as the W3C's traceparent has it: 32 hex digits.
	ID string `json:"id"`
	// Command as it was given, without the values of its flags.
	Command string `json:"command"`
}

// TraceSpans are spans that one process ended in a moment.
type TraceSpans struct {
	// Node and Component are where they come from; "" is the client that runs the
	// trace, which measures its requests itself.
	Node      string      `json:"node,omitempty"`
	Component string      `json:"component,omitempty"`
	Spans     []TraceSpan `json:"spans"`
	// Dropped counts spans that there was no room for.
	Dropped int `json:"dropped,omitempty"`
}

// TraceSpan is one span as OTLP has it: something that a process did, and when.
type TraceSpan struct {
	Trace string `json:"trace"`
	ID    string `json:"id"`
	// Parent is the span that it is a part of; "" for none.
	Parent string `json:"parent,omitempty"`
	Name   string `json:"name"`
	// Kind is server or client, "" for what stays within the process.
	Kind  string        `json:"kind,omitempty"`
	Start time.Time     `json:"start"`
	Took  time.Duration `json:"took"`
	// Error is the message of a span that failed, or the word error.
	Error string `json:"error,omitempty"`
	// Attrs are those of its attributes that name what it is about; no bodies.
	Attrs map[string]string `json:"attrs,omitempty"`
}

// Attributes of spans that join them with the rest.
const (
	SpanAuditID = "audit-id"
	SpanPodUID  = "k8s.pod.uid"
	SpanPod     = "k8s.pod.name"
)

// TraceEnded ends a trace.
type TraceEnded struct {
	ID string `json:"id"`
	// Exit is the command's exit code; -1 where it is not known.
	Exit int `json:"exit"`
	// Ran is how long the command ran.
	Ran time.Duration `json:"ran,omitempty"`
	// Cause says why it ended: settled, no pods, timeout, interrupted, lease over.
	Cause string `json:"cause"`
}

// Type implements Body.
func (TraceStarted) Type() string { return "trace.started" }
func (TraceStarted) sealed()      {}

// Type implements Body.
func (TraceSpans) Type() string { return "trace.spans" }
func (TraceSpans) sealed()      {}

// Type implements Body.
func (TraceEnded) Type() string { return "trace.ended" }
func (TraceEnded) sealed()      {}

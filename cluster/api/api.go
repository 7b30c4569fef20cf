// Package api is the supervisor's HTTP API on a Unix socket that only the lab's
// owner can open: the server in the supervisor and the client that the app,
// the command line and tests use.
//
//	GET  /v1/world                     the folded state, JSON
//	GET  /v1/world?at=INSTANT          as it was; an instant is an RFC 3339 time or an event's number
//	GET  /v1/window?at=INSTANT         the keyframe before it in one line, then the events up to the next, NDJSON
//	GET  /v1/oldest                    the oldest instant that can be shown, JSON
//	GET  /v1/events?after=N&follow=1   events after N, NDJSON, in order; limit=M ends after M of them;
//	                                   lull=1s sends what is routine at most once a second
//	POST /v1/act                       Request; refused with Problem
//	POST /v1/faults                    FaultRequest; answers event.FaultInjected
//	POST /v1/heal                      HealRequest; answers Healed
//	POST /v1/tell                      an event of a scenario's run, to be recorded
//	POST /v1/traces, /v1/traces/end    TraceRequest, event.TraceEnded
//	POST /v1/operations                OperationRequest; answers what it does as it does it, NDJSON
//	GET  /v1/forwards                  []Forward
//	POST /v1/forwards, /v1/forwards/close   ForwardRequest; answers Forward, or those that are closed
//	POST /v1/down                      shut the lab down; answers when it begins
package api

import "workbench/cluster/history"

// Request asks for an action on a part of the lab.
type Request struct {
	// Verb is node.{kill,stop,start,pause,resume} or
	// component.{kill,start,restart,pause,resume}, or proxy.trace.
	Verb string `json:"verb"`
	// Target is a node or node/component; of proxy.trace it is a client (a node or
	// namespace/pod) and a service port, with a space between.
	Target string `json:"target"`
}

// Problem is why a request was refused.
type Problem struct {
	Error string `json:"error"`
	// Oldest is set when an instant is no longer kept: the oldest one that is.
	Oldest *history.Instant `json:"oldest,omitempty"`
	// Danger is set where the request must be confirmed: what it costs, in
	// sentences. Text is the request in its canonical form.
	Danger []string `json:"danger,omitempty"`
	Text   string   `json:"text,omitempty"`
}

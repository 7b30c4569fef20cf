package api

import (
	"context"
	"net/http"
	"time"

	"workbench/cluster/event"
)

// TraceRequest begins a trace.
type TraceRequest struct {
	event.TraceStarted
	// Lease is how long it may last: it ends by itself where its client is gone.
	Lease time.Duration `json:"lease"`
}

// Traces is what records the traces of commands.
type Traces interface {
	BeginTrace(r TraceRequest) error
	EndTrace(e event.TraceEnded) error
}

// handleTraces serves POST /v1/traces and /v1/traces/end.
func handleTraces(mux *http.ServeMux, lab Traces) {
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		var req TraceRequest
		if decode(w, r, &req) {
			answer(w, struct{}{}, lab.BeginTrace(req))
		}
	})
	mux.HandleFunc("POST /v1/traces/end", func(w http.ResponseWriter, r *http.Request) {
		var e event.TraceEnded
		if decode(w, r, &e) {
			answer(w, struct{}{}, lab.EndTrace(e))
		}
	})
}

// BeginTrace lets the lab record what comes of a command.
func (c *Client) BeginTrace(ctx context.Context, r TraceRequest) error {
	return c.ask(ctx, "/v1/traces", r, &struct{}{})
}

// EndTrace ends a trace.
func (c *Client) EndTrace(ctx context.Context, e event.TraceEnded) error {
	return c.ask(ctx, "/v1/traces/end", e, &struct{}{})
}

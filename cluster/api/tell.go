package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"workbench/cluster/event"
)

// Teller records what clients do with the lab over a time: runs of scenarios
// and campaigns, and the requests of a traced command. Nothing else can be told.
type Teller interface{ Tell(body event.Body) }

// maxTold bounds each text of what is told, in bytes; maxToldSpans the spans at once.
const (
	maxTold      = 1000
	maxToldSpans = 100
)

// handleTell serves POST /v1/tell.
func handleTell(mux *http.ServeMux, teller Teller) {
	mux.HandleFunc("POST /v1/tell", func(w http.ResponseWriter, r *http.Request) {
		var e event.Event
		if !decode(w, r, &e) {
			return
		}
		body, err := told(e.Body)
		if err == nil {
			teller.Tell(body)
		}
		answer(w, struct{}{}, err)
	})
}

// told is what of a body is recorded.
func told(body event.Body) (event.Body, error) {
	bound := func(texts ...*string) {
		for _, t := range texts {
			if len(*t) > maxTold {
				*t = strings.ToValidUTF8((*t)[:maxTold], "") + "…"
			}
			*t = event.OneLine(*t)
		}
	}
	switch b := body.(type) {
	case event.ScenarioState:
		bound(&b.Run, &b.Name, &b.Title, &b.Detail, &b.Owner)
		return b, nil
	case event.ScenarioStep:
		bound(&b.Run, &b.Text, &b.Detail)
		return b, nil
	case event.TraceSpans:
		// Of the client's own requests; a component's come by its tap.
		b.Node, b.Component = "", ""
		if len(b.Spans) > maxToldSpans {
			b.Spans, b.Dropped = b.Spans[:maxToldSpans], b.Dropped+len(b.Spans)-maxToldSpans
		}
		for i := range b.Spans {
			s := &b.Spans[i]
			bound(&s.Trace, &s.ID, &s.Parent, &s.Name, &s.Kind, &s.Error)
			if audit := s.Attrs[event.SpanAuditID]; audit != "" {
				bound(&audit)
				s.Attrs = map[string]string{event.SpanAuditID: audit}
			} else {
				s.Attrs = nil
			}
		}
		return b, nil
	}
	return nil, fmt.Errorf("%s is observed, not told", body.Type())
}

// Tell records what a client did; its time is when it arrives.
func (c *Client) Tell(ctx context.Context, body event.Body) error {
	resp, err := c.do(ctx, http.MethodPost, "/v1/tell", event.Event{Body: body})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

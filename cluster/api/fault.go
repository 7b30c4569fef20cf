package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"workbench/cluster/event"
)

// FaultRequest asks for a fault.
type FaultRequest struct {
	// Text is the fault in the grammar of package fault.
	Text string `json:"text"`
	// Owner is who asks.
	Owner string `json:"owner,omitempty"`
	// Run is the run of a scenario or a campaign that it is part of: it ends with
	// that.
	Run string `json:"run,omitempty"`
	// Yes says that its dangers are known.
	Yes bool `json:"yes,omitempty"`
}

// HealRequest asks to undo faults.
type HealRequest struct {
	ID  string `json:"id,omitempty"`
	All bool   `json:"all,omitempty"`
}

// Healed is what a HealRequest undid.
type Healed struct {
	IDs []string `json:"ids"`
}

// Faults is what breaks and mends a lab.
type Faults interface {
	Inject(ctx context.Context, r FaultRequest) (event.FaultInjected, error)
	Heal(ctx context.Context, r HealRequest) (Healed, error)
}

// Danger is the refusal of a request whose consequences must be confirmed.
type Danger struct {
	Text    string
	Reasons []string
}

// Error implements error.
func (d *Danger) Error() string {
	return fmt.Sprintf("%s: %s; if that is meant, ask again with --yes", d.Text, strings.Join(d.Reasons, "; "))
}

// handleFaults serves POST /v1/faults and /v1/heal.
func handleFaults(mux *http.ServeMux, faults Faults) {
	mux.HandleFunc("POST /v1/faults", func(w http.ResponseWriter, r *http.Request) {
		var req FaultRequest
		if !decode(w, r, &req) {
			return
		}
		f, err := faults.Inject(r.Context(), req)
		if err != nil {
			refuseOrAsk(w, err)
			return
		}
		answer(w, f, err)
	})
	mux.HandleFunc("POST /v1/heal", func(w http.ResponseWriter, r *http.Request) {
		var req HealRequest
		if !decode(w, r, &req) {
			return
		}
		healed, err := faults.Heal(r.Context(), req)
		answer(w, healed, err)
	})
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("read the request: %w", err))
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that left needs no answer
}

// Inject asks for a fault. The error is a *Danger where it must be confirmed.
func (c *Client) Inject(ctx context.Context, r FaultRequest) (event.FaultInjected, error) {
	var f event.FaultInjected
	err := c.ask(ctx, "/v1/faults", r, &f)
	return f, err
}

// Heal undoes faults.
func (c *Client) Heal(ctx context.Context, r HealRequest) (Healed, error) {
	var h Healed
	err := c.ask(ctx, "/v1/heal", r, &h)
	return h, err
}

func (c *Client) ask(ctx context.Context, path string, body, into any) error {
	resp, err := c.do(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("read the supervisor's answer: %w", err)
	}
	return nil
}

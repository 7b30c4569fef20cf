package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// ForwardRequest asks for a port on the host's loopback that leads to a Service.
type ForwardRequest struct {
	Namespace string `json:"namespace"`
	Service   string `json:"service"`
	// Port of the Service; 0 for its first TCP port.
	Port int `json:"port,omitempty"`
	// Local is the port on the host; 0 for a free one.
	Local int `json:"local,omitempty"`
}

// Forward leads from the host to a Service, until the lab goes down.
type Forward struct {
	Namespace string `json:"namespace"`
	Service   string `json:"service"`
	Port      int    `json:"port"`
	Address   string `json:"address"` // on the host, ip:port
}

// URL is what a browser opens.
func (f Forward) URL() string {
	if f.Port == 443 {
		return "https://" + f.Address
	}
	return "http://" + f.Address
}

// Forwards opens and closes ways from the host to Services.
type Forwards interface {
	// Open answers with the forward that exists where there is one.
	Open(ctx context.Context, r ForwardRequest) (Forward, error)
	// CloseForward ends those of a Service, of all its ports when the port is 0.
	CloseForward(ctx context.Context, r ForwardRequest) ([]Forward, error)
	// OpenForwards are sorted by namespace, service and port.
	OpenForwards() []Forward
}

// handleForwards serves /v1/forwards.
func handleForwards(mux *http.ServeMux, forwards Forwards) {
	mux.HandleFunc("GET /v1/forwards", func(w http.ResponseWriter, _ *http.Request) { answer(w, forwards.OpenForwards(), nil) })
	mux.HandleFunc("POST /v1/forwards", func(w http.ResponseWriter, r *http.Request) {
		var req ForwardRequest
		if decode(w, r, &req) {
			f, err := forwards.Open(r.Context(), req)
			answer(w, f, err)
		}
	})
	mux.HandleFunc("POST /v1/forwards/close", func(w http.ResponseWriter, r *http.Request) {
		var req ForwardRequest
		if decode(w, r, &req) {
			closed, err := forwards.CloseForward(r.Context(), req)
			answer(w, closed, err)
		}
	})
}

// Open asks for a way to a Service.
func (c *Client) Open(ctx context.Context, r ForwardRequest) (Forward, error) {
	var f Forward
	err := c.ask(ctx, "/v1/forwards", r, &f)
	return f, err
}

// CloseForward ends the ways to a Service.
func (c *Client) CloseForward(ctx context.Context, r ForwardRequest) ([]Forward, error) {
	var closed []Forward
	err := c.ask(ctx, "/v1/forwards/close", r, &closed)
	return closed, err
}

// OpenForwards are the ways to Services.
func (c *Client) OpenForwards(ctx context.Context) ([]Forward, error) {
	resp, err := c.do(ctx, http.MethodGet, "/v1/forwards", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var open []Forward
	if err := json.NewDecoder(resp.Body).Decode(&open); err != nil {
		return nil, fmt.Errorf("read the supervisor's answer: %w", err)
	}
	return open, nil
}

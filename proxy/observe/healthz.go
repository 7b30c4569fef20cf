package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"workbench/runtime/namespace"
)

// healthzURL is kube-proxy's health check server, inside its node.
const healthzURL = "http://127.0.0.1:10256/healthz"

// Timing of questions to it. A kube-proxy that does not answer is frozen or
// down; it is asked less often then.
const (
	healthTimeout = 500 * time.Millisecond
	healthBackoff = 5 * time.Second
)

// healthz asks kube-proxy for its health.
type healthz struct {
	client *http.Client
	after  time.Time // do not ask before
}

type health struct {
	synced  time.Time
	healthy bool
}

func newHealthz(ns *namespace.Net) healthz {
	return healthz{client: &http.Client{Timeout: healthTimeout, Transport: &http.Transport{DialContext: ns.DialContext, DisableKeepAlives: true}}}
}

func (h *healthz) may(now time.Time) bool { return !now.Before(h.after) }

// ask reads k8s.io/kubernetes/pkg/proxy/healthcheck's answer. Its top-level
// lastUpdated is the current time when all is well; that of the IP family is
// when its last sync ended.
func (h *healthz) ask(ctx context.Context, now time.Time) (health, error) {
	h.after = now.Add(healthBackoff)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, healthzURL, nil)
	if err != nil {
		return health{}, err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return health{}, fmt.Errorf("ask kube-proxy for its health: %w", err)
	}
	defer resp.Body.Close()
	var answer struct {
		Healthy bool `json:"healthy"`
		Status  map[string]struct {
			LastUpdated time.Time `json:"lastUpdated"`
			Healthy     bool      `json:"healthy"`
		} `json:"status"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer); err != nil {
		return health{}, fmt.Errorf("ask kube-proxy for its health: %w", err)
	}
	h.after = time.Time{}
	ipv4 := answer.Status["IPv4"]
	return health{synced: ipv4.LastUpdated.UTC(), healthy: ipv4.Healthy}, nil
}

package demo

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"workbench/cluster/event"
)

// TestOpenLoop has a server that leaves the first request unanswered: the next
// ones do not wait for it.
func TestOpenLoop(t *testing.T) {
	var asked atomic.Int64
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch asked.Add(1) {
		case 1:
			<-release
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := make(chan event.Event, 1000)
	used := make(chan struct{})
	go func() {
		defer close(used)
		user{
			target: Service, interval: 5 * time.Millisecond, client: server.Client(), emit: func(e event.Event) { events <- e },
			request: func(ctx context.Context) (*http.Request, error) {
				return http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
			},
		}.use(ctx)
	}()
	failed, answers := 0, 0
	for answers < 3 {
		p, ok := (<-events).Body.(event.Probe)
		if !ok || p.Target != Service {
			t.Fatalf("emitted %+v", p)
		}
		if p.OK {
			answers++
			continue
		}
		failed++
		if p.Error != "answered 503 Service Unavailable" {
			t.Errorf("failed with %q", p.Error)
		}
	}
	close(release)
	cancel()
	<-used
	if failed != 1 {
		t.Errorf("%d requests failed, want 1", failed)
	}
}

func TestReason(t *testing.T) {
	client := &http.Client{Timeout: 20 * time.Millisecond}
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hanging.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for address, want := range map[string]string{hanging.URL: "no answer within 1s", gone.URL: "connection refused"} {
		resp, err := client.Get(address)
		if err == nil {
			t.Fatal(resp.Body.Close())
		}
		if got := reason(err); got != want {
			t.Errorf("%v is told as %q, want %q", err, got, want)
		}
	}
}

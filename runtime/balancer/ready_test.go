package balancer_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"workbench/runtime/balancer"
)

func TestReady(t *testing.T) {
	var code atomic.Int64
	code.Store(http.StatusOK)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(int(code.Load()))
	}))
	defer server.Close()
	check, address := balancer.Ready(new(net.Dialer).DialContext), server.Listener.Addr().String()
	if err := check(t.Context(), address); err != nil {
		t.Errorf("a server that is ready: %v", err)
	}
	code.Store(http.StatusInternalServerError)
	if err := check(t.Context(), address); !errors.As(err, new(balancer.Unready)) || !strings.Contains(err.Error(), "500") {
		t.Errorf("a server that is not ready: %v", err)
	}
	server.Close()
	if err := check(t.Context(), address); err == nil || errors.As(err, new(balancer.Silent)) || errors.As(err, new(balancer.Unreached)) {
		t.Errorf("a server that is gone: %v", err)
	}
}

// TestReadyOfTheSilent tells servers apart that take connections and say
// nothing, frozen before or while they served, from those that are not there.
func TestReadyOfTheSilent(t *testing.T) {
	listener := listen(t)
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := balancer.Ready(new(net.Dialer).DialContext)(ctx, listener.Addr().String()); !errors.As(err, new(balancer.Silent)) {
		t.Errorf("a server that never answers: %v", err)
	}
	unreachable := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := balancer.Ready(unreachable)(ctx, "192.0.2.1:6443"); !errors.As(err, new(balancer.Unreached)) {
		t.Errorf("a server that cannot be reached: %v", err)
	}
}

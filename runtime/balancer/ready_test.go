package balancer_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

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
	if err := check(t.Context(), address); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("a server that is not ready: %v", err)
	}
	server.Close()
	if err := check(t.Context(), address); err == nil {
		t.Error("a server that is gone is ready")
	}
}

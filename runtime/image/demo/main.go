// Command demo is the web application of the image workbench.local/demo: it says
// which pod, node and version answered, and can be made unhealthy, slow, greedy
// or dead on request.
//
//	GET  /                     pod, node and version; JSON if the Accept header asks for it
//	GET  /healthz, /readyz     200, or 503 after POST /healthz/off, /readyz/off (and back with .../on)
//	ANY  /burn?seconds=&cores= keep processor cores busy
//	ANY  /leak?bytes=          take memory and never give it back
//	ANY  /slow?ms=             answer late
//	ANY  /crash?code=          exit
//
// The environment variables POD_NAME, NODE_NAME, DEMO_VERSION and LISTEN
// (default :8080) configure it. SIGTERM makes it not ready and ends it once open
// requests are answered.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

// shutdownTimeout bounds how long open requests may take after SIGTERM. It is
// below the 30 s after which a pod is killed by default.
const shutdownTimeout = 25 * time.Second

// garbagePercent trades processor time for memory: the live heap is below 1 MB,
// so collecting more often costs little.
const garbagePercent = 25

func main() {
	debug.SetGCPercent(garbagePercent)
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	code, err := run(log)
	if err != nil {
		log.Error("demo ended", "error", err)
	}
	os.Exit(code)
}

// run serves until SIGTERM, SIGINT or a requested crash and returns the exit code.
func run(log *slog.Logger) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	identity, err := identify(os.Getenv, os.Hostname)
	if err != nil {
		return 1, err
	}
	address := os.Getenv("LISTEN")
	if address == "" {
		address = ":8080"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return 1, fmt.Errorf("listen on %s: %w; set LISTEN to another address", address, err)
	}
	log.Info("demo serves", "address", listener.Addr().String(), "pod", identity.Pod, "node", identity.Node, "version", identity.Version)

	app := newApp(identity, log)
	server := &http.Server{Handler: app.handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return 1, fmt.Errorf("serve on %s: %w", address, err)
	case code := <-app.crashed:
		return code, nil
	case <-ctx.Done():
	}

	stop()
	log.Info("demo ends: waits for open requests", "signal", context.Cause(ctx).Error())
	app.ready.Store(false)
	grace, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err = server.Shutdown(grace)
	if served := <-served; err == nil && !errors.Is(served, http.ErrServerClosed) {
		err = served
	}
	if err != nil {
		return 1, fmt.Errorf("wait for open requests: %w", err)
	}
	return 0, nil
}

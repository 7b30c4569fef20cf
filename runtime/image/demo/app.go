package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
)

// identity is what the application says about itself.
type identity struct {
	Pod     string `json:"pod"`
	Node    string `json:"node"`
	Version string `json:"version"`
}

// identify reads the identity from the environment. A pod's host name is its
// name; the node is "unknown" if the pod does not pass spec.nodeName on.
func identify(getenv func(string) string, hostname func() (string, error)) (identity, error) {
	id := identity{Pod: getenv("POD_NAME"), Node: getenv("NODE_NAME"), Version: getenv("DEMO_VERSION")}
	if id.Pod == "" {
		name, err := hostname()
		if err != nil {
			return identity{}, fmt.Errorf("find the host name, as POD_NAME is not set: %w", err)
		}
		id.Pod = name
	}
	if id.Node == "" {
		id.Node = "unknown"
	}
	if id.Version == "" {
		id.Version = "dev"
	}
	return id, nil
}

// app is the state behind the handlers.
type app struct {
	identity identity
	log      *slog.Logger
	requests atomic.Int64 // answers of / so far
	healthy  atomic.Bool
	ready    atomic.Bool
	burner   burner
	leaker   leaker
	crashed  chan int // takes the exit code of /crash
}

func newApp(id identity, log *slog.Logger) *app {
	a := &app{identity: id, log: log, crashed: make(chan int, 1)}
	a.healthy.Store(true)
	a.ready.Store(true)
	return a
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.root)
	a.probe(mux, "/healthz", &a.healthy)
	a.probe(mux, "/readyz", &a.ready)
	mux.HandleFunc("/burn", a.burn)
	mux.HandleFunc("/leak", a.leak)
	mux.HandleFunc("/slow", a.slow)
	mux.HandleFunc("/crash", a.crash)
	return mux
}

func (a *app) root(w http.ResponseWriter, r *http.Request) {
	count := a.requests.Add(1)
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		a.answer(w, http.StatusOK, struct {
			identity
			Requests int64 `json:"requests"`
		}{a.identity, count})
		return
	}
	fmt.Fprintf(w, "pod=%s node=%s version=%s requests=%d\n", a.identity.Pod, a.identity.Node, a.identity.Version, count)
}

// probe serves one probe and its switch.
func (a *app) probe(mux *http.ServeMux, path string, on *atomic.Bool) {
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
		if !on.Load() {
			http.Error(w, "off: switched off by POST "+path+"/off, or ending", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	for name, value := range map[string]bool{"on": true, "off": false} {
		mux.HandleFunc("POST "+path+"/"+name, func(w http.ResponseWriter, _ *http.Request) {
			on.Store(value)
			a.log.Info("probe switched", "probe", path, "to", name)
			fmt.Fprintln(w, path, "is", name)
		})
	}
}

func (a *app) answer(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		a.log.Warn("answer not sent", "error", err)
	}
}

// refuse answers 400 for a bad parameter, 503 for anything else.
func (a *app) refuse(w http.ResponseWriter, err error) {
	var bad *parameterError
	if errors.As(err, &bad) {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}

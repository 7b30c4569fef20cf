package userspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"workbench/cluster/event"
	"workbench/runtime/namespace"
)

// asking is where a Forwarder answers questions: an abstract socket, which
// belongs to the network namespace of the node and needs no file.
const asking = "@workbench-kube-proxy"

// longest is how long a question about a connection may wait for its outcome.
const longest = 5 * time.Second

// answering is how long a kube-proxy that is not frozen takes to answer.
const answering = time.Second

// Serve answers what package trace and commands ask until ctx ends.
func (f *Forwarder) Serve(ctx context.Context, node string) error {
	l, err := net.Listen("unix", asking)
	if err != nil {
		return fmt.Errorf("answer questions on %s: %w", asking, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /services", func(w http.ResponseWriter, _ *http.Request) { reply(w, f.Services(node)) })
	mux.HandleFunc("GET /connection", func(w http.ResponseWriter, r *http.Request) {
		client, err := netip.ParseAddrPort(r.URL.Query().Get("client"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		within, err := time.ParseDuration(r.URL.Query().Get("within"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), min(within, longest))
		defer cancel()
		record, ok := f.Connection(ctx, client)
		if !ok {
			http.Error(w, "no such connection", http.StatusNotFound)
			return
		}
		reply(w, record)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: longest}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("answer questions on %s: %w", asking, err)
	}
	return nil
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that left misses nothing
}

// ErrUnknown says that the proxy of a node knows of no such connection.
var ErrUnknown = errors.New("kube-proxy knows of no such connection")

// Services are what the proxy of a node serves now.
func Services(ctx context.Context, node *namespace.Net) ([]event.ProxyService, error) {
	var out []event.ProxyService
	err := ask(ctx, node, "/services", nil, &out)
	return out, err
}

// Connection is what the proxy of a node did with a client's connection, as far
// as that is known within a time.
func Connection(ctx context.Context, node *namespace.Net, client netip.AddrPort, within time.Duration) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, within+answering)
	defer cancel()
	var out Record
	err := ask(ctx, node, "/connection", url.Values{"client": {client.String()}, "within": {within.String()}}, &out)
	return out, err
}

func ask(ctx context.Context, node *namespace.Net, path string, query url.Values, into any) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var conn net.Conn
		err := node.Do(func() error {
			var d net.Dialer
			var err error
			conn, err = d.DialContext(ctx, "unix", asking)
			return err
		})
		return conn, err
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 2 * longest}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://kube-proxy"+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask kube-proxy: %w; does it run?", errors.Unwrap(err))
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return json.NewDecoder(resp.Body).Decode(into)
	case http.StatusNotFound:
		return ErrUnknown
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return fmt.Errorf("ask kube-proxy: %s: %s", resp.Status, text)
}

package metrics

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"workbench/cluster/event"
)

// Every is how often each component is read. A kube-apiserver of a small cluster
// needs 50 ms of processor time to gather its metrics, whatever is asked of them:
// 0.3 % of a processor at this interval, and 1 % at 5 s.
const Every = 15 * time.Second

// patience is how long a component may take to answer.
const patience = 3 * time.Second

// Config says what to read and where it goes.
type Config struct {
	Node       string
	Components []string
	// Dial connects from inside the node.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS holds who may read, and whom to believe.
	TLS *tls.Config
	// Running says whether a component is up: one that is not is not asked.
	Running func(component string) bool
	Emit    func(event.Body)
	Log     *slog.Logger
	// Every is the interval; 0 is the constant of that name.
	Every time.Duration
}

func (c *Config) validate() error {
	if c.Node == "" || c.Dial == nil || c.Running == nil || c.Emit == nil || c.Log == nil {
		return errors.New("read metrics: no node, Dial, Running, Emit or Log")
	}
	if c.Every == 0 {
		c.Every = Every
	}
	return nil
}

// source is a component that is read.
type source struct {
	component, url string
	keep           families
	last           figures
}

// Run reads a node's components, one after the other, until ctx ends, and then
// returns nil. A component that does not answer is asked again the next time: its
// state says more about that than its metrics could.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	transport := &http.Transport{DialContext: cfg.Dial, TLSClientConfig: cfg.TLS, IdleConnTimeout: 3 * cfg.Every, ForceAttemptHTTP2: false}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	var sources []*source
	for _, name := range cfg.Components {
		if keep := read(name); keep != nil {
			sources = append(sources, &source{component: name, keep: keep, url: address(name) + "?" + url.Values{"name[]": keep.names()}.Encode()})
		}
	}
	tick := time.NewTicker(cfg.Every)
	defer tick.Stop()
	for {
		e := event.ComponentMetrics{Node: cfg.Node, Components: map[string]event.MetricsReading{}}
		for _, s := range sources {
			if !cfg.Running(s.component) {
				continue // when it runs again, its start time tells whether it is the same process
			}
			now, err := s.fetch(ctx, client)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				cfg.Log.Debug("read metrics", "node", cfg.Node, "component", s.component, "cause", err)
			case len(now) > 0:
				e.Components[s.component] = s.news(now)
			}
		}
		if len(e.Components) > 0 {
			cfg.Emit(e)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// news is what a reading tells: all of it the first time and after a restart. One
// without figures tells something too: that no counter has grown.
func (s *source) news(now figures) event.MetricsReading {
	const started = "process_start_time_seconds"
	before := s.last
	s.last = now
	if before == nil || before[started][""] != now[started][""] {
		return event.MetricsReading{All: true, Figures: now}
	}
	return event.MetricsReading{Figures: now.since(before)}
}

func (s *source) fetch(ctx context.Context, client *http.Client) (figures, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	request.Header.Set("Accept-Encoding", "identity") // packing would cost more than it saves here
	request.Header.Set("User-Agent", "workbench-metrics")
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 4096))
		return nil, fmt.Errorf("get %s: %s", s.url, answer.Status)
	}
	return parse(answer.Body, s.keep)
}

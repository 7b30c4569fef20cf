package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"workbench/cluster/event"
)

// Intervals between readiness probes, and how long one may take. One that starts is
// probed often, yet ever less as it takes longer, and may take its time to answer:
// on a slow machine probes would be what it is busy with.
const (
	probeStarting = 25 * time.Millisecond
	probeSteady   = 2 * time.Second
	probeTimeout  = time.Second
	probePatience = 10 * time.Second // the longest timeout of one that starts
	probeShare    = 50               // the pause is one part of so many of the time since its start
)

// starting is the pause before the next probe of a component that was started that
// long ago, and what the probe may take.
func starting(since time.Duration) (pause, timeout time.Duration) {
	return min(max(probeStarting, since/probeShare), probeSteady), min(max(probeTimeout, since/4), probePatience)
}

// watch probes a component until its process ends and reports each change.
func (s *set) watch(p *process, pid int, exited <-chan struct{}) {
	if p.Ready == nil {
		s.turn(p, pid, true)
		return
	}
	check := p.Ready.checker()
	began := time.Now()
	interval, timeout, first := probeStarting, probeTimeout, true
	for {
		select {
		case <-exited:
			return
		case <-time.After(interval):
		}
		ready := check(timeout) == nil
		s.turn(p, pid, ready)
		switch {
		case ready:
			interval, timeout, first = probeSteady, probeTimeout, false
		case first:
			interval, timeout = starting(time.Since(began))
		default:
			interval = probeSteady / 10
		}
	}
}

// turn reports a change of readiness.
func (s *set) turn(p *process, pid int, ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.pid != pid || p.ready == ready || p.paused {
		return
	}
	first := ready && !p.wasReady
	p.ready, p.wasReady = ready, p.wasReady || ready
	e := event.ComponentState{Node: s.node, Component: p.Name, State: event.ComponentReady, PID: p.pid, Restarts: p.restarts}
	switch {
	case first:
		e.Took = time.Since(p.started)
	case ready:
		e.Cause = "its probe succeeds again"
	default:
		e.State, e.Cause = event.ComponentUnready, "its probe fails: "+p.Ready.String()
	}
	s.emit(time.Now(), e)
}

// checker is a function that makes the probe once, within a time.
func (p Probe) checker() func(timeout time.Duration) error {
	switch p.Kind {
	case "unix", "tcp":
		return func(timeout time.Duration) error {
			conn, err := net.DialTimeout(p.Kind, p.Target, timeout)
			if err != nil {
				return err
			}
			return conn.Close()
		}
	case "http", "https":
		client := &http.Client{Transport: &http.Transport{
			// The probe asks a component of its own node over loopback
			// whether it runs; it sends nothing and trusts no answer further.
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec
			DisableKeepAlives: false,
		}}
		return func(timeout time.Duration) error { return get(client, p.Target, timeout) }
	}
	return func(time.Duration) error { return fmt.Errorf("unknown probe kind %q", p.Kind) }
}

func get(client *http.Client, url string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

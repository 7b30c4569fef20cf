package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"workbench/cluster/event"
)

// PodTap is where the init hears the events of taps that run in pods: a datagram
// is one event. Pods see it by mounting its directory from the node.
const PodTap = "/run/workbench/taps/sock"

// SpanSocket is where a component receives the OTLP spans of its own upstream
// exporter in a node, whose /run is a tmpfs of its own.
func SpanSocket(component string) string { return "/run/workbench/otlp/" + component + ".sock" }

// hearPods passes on what taps in pods tell until the node ends. Only what such
// taps have to tell is believed, and only of this node.
func (s *server) hearPods() error {
	if err := os.MkdirAll(filepath.Dir(PodTap), 0o755); err != nil {
		return fmt.Errorf("hear taps in pods: %w", err)
	}
	if err := os.Remove(PodTap); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("hear taps in pods: %w", err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: PodTap, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("hear taps in pods: %w", err)
	}
	go func() {
		buf := make([]byte, MaxMessage/2)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return // with the node
			}
			if e, ok := podEvent(buf[:n], s.name); ok {
				_ = s.send(message{Event: &e})
			}
		}
	}()
	return nil
}

// podEvent is the event of a datagram.
func podEvent(raw []byte, node string) (event.Event, bool) {
	var e event.Event
	if json.Unmarshal(raw, &e) != nil {
		return e, false
	}
	b, ok := e.Body.(event.DNSQueries)
	if !ok {
		return e, false
	}
	b.Node = node
	return event.Event{Time: e.Time, Body: b}, true
}

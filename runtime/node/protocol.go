// Package node is a node of a lab: the init that is PID 1 in it, and the
// supervisor's handle on that init.
//
//	Handle (supervisor) --requests--> init: start, kill, pause, ... a component
//	                    <--messages-- init: replies, events
//
// The init supervises components: it starts them, probes their readiness,
// restarts them with backoff, reaps every orphan, and samples what they use.
// Events of components' own taps come to it through a pipe and pass through. It is
// also the node's logind (package logind): who wants to hear of a shutdown, does.
package node

import (
	"encoding/json"
	"fmt"
	"time"

	"workbench/cluster/event"
	"workbench/runtime/mount"
)

// MaxMessage bounds a message in bytes; a seqpacket is delivered whole or not.
const MaxMessage = 160 << 10

// EventsFD is where a component finds the pipe for its own events: one JSON
// event.Event a line.
const EventsFD = 3

// Config is what an init needs to become its node.
type Config struct {
	Name     string            `json:"name"`
	Root     mount.Root        `json:"root"`
	Sysctls  map[string]string `json:"sysctls,omitempty"`  // file below /proc/sys -> value
	LeafInit bool              `json:"leafInit,omitempty"` // cgroup v2: leave the root group to controllers
	Sample   time.Duration     `json:"sample"`             // interval of usage samples
}

// Component is a program to supervise.
type Component struct {
	Name string   `json:"name"`
	Path string   `json:"path"` // in the node
	Args []string `json:"args"` // without argv[0]
	Env  []string `json:"env,omitempty"`
	Log  string   `json:"log"` // file in the node
	// Ready tells when it is ready; nil means once started.
	Ready *Probe `json:"ready,omitempty"`
	// Grace is how long an orderly stop may take before SIGKILL.
	Grace time.Duration `json:"grace"`
}

// Probe is a readiness check made from inside the node.
type Probe struct {
	// Kind is http, https (certificate not verified: it asks its own node),
	// unix (connects), tcp (connects).
	Kind   string `json:"kind"`
	Target string `json:"target"` // URL or address
}

func (p Probe) String() string { return p.Kind + " " + p.Target }

// Verbs of requests.
const (
	verbConfigure = "configure"
	verbStart     = "start"    // supervise Component, or release one held down
	verbKill      = "kill"     // SIGKILL and hold down
	verbRestart   = "restart"  // SIGTERM; the init starts it again
	verbPause     = "pause"    // SIGSTOP
	verbResume    = "resume"   // SIGCONT
	verbCrash     = "crash"    // SIGKILL soon after this and each later start
	verbSteady    = "steady"   // no more of that
	verbReassert  = "reassert" // after the node was thawed: stop again what is paused
	verbAnnounce  = "announce" // tell the node that it goes down, wait for those who delay it
	verbShutdown  = "shutdown" // stop everything in order, then end
)

type request struct {
	ID        uint64     `json:"id"`
	Verb      string     `json:"verb"`
	Name      string     `json:"name,omitempty"`
	Cause     string     `json:"cause,omitempty"`
	Config    *Config    `json:"config,omitempty"`
	Component *Component `json:"component,omitempty"`
}

// message goes from init to supervisor: a hello, a reply or an event.
type message struct {
	Hello bool         `json:"hello,omitempty"`
	ID    uint64       `json:"id,omitempty"`
	Error string       `json:"error,omitempty"`
	Event *event.Event `json:"event,omitempty"`
	// Tapped is an event of a component's own tap, passed on as it came.
	Tapped json.RawMessage `json:"tapped,omitempty"`
}

func encode(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err == nil && len(raw) > MaxMessage {
		err = fmt.Errorf("message of %d bytes is over the limit of %d", len(raw), MaxMessage)
	}
	return raw, err
}

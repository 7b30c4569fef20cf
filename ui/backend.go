package ui

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/state"
	"workbench/themes"
)

// Backend is what the app needs of a lab.
type Backend interface {
	// World is a snapshot of the lab. The caller owns it.
	World(ctx context.Context) (*state.World, error)
	// Follow calls emit with the events after seq, in batches and in order, until
	// ctx ends or the stream breaks, and returns the cause. What is routine may
	// come once a second.
	Follow(ctx context.Context, after uint64, emit func([]event.Event)) error
	// Window is the stretch of the lab's past that an instant is in.
	Window(ctx context.Context, at history.Instant) (history.Window, error)
	// Act asks the supervisor for an action, such as "node.kill" on "w2" or
	// "component.pause" on "c1/etcd". Its outcome arrives as events; an error is a
	// refusal.
	Act(ctx context.Context, verb, target string) error
	// Command is a child process of the workbench binary with these arguments,
	// not started yet and already pointed at this lab.
	Command(args ...string) *exec.Cmd
}

// Config says how the app runs.
type Config struct {
	Backend Backend
	// Theme is the name of a theme of package themes; "" is the default.
	Theme string
	// ReducedMotion lets what counts down do so once a second, not four times.
	ReducedMotion bool
	// NoColor uses attributes and shapes alone, whatever the terminal can do.
	NoColor bool
	// ASCII draws with ASCII signs alone.
	ASCII bool
	// Screen is the screen to begin with, such as "raft"; "" is the boot while
	// the lab boots, then the lab.
	Screen string
	// Replay says that Backend is a recording, and how to play it; nil is a lab.
	Replay *Replay
	// Input and Output are the terminal; nil is the process's own.
	Input  io.Reader
	Output io.Writer
	// Environ is the environment to read the terminal's abilities from; nil is
	// the process's own.
	Environ []string
}

// Replay is how to play a recording. Its World is the last one recorded, and its
// Follow brings nothing.
type Replay struct {
	Start time.Time // of the recording
	At    time.Time // to begin at; zero is the start
	Speed float64   // 1 is as it happened; 0 is 1
	// Paused begins without playing.
	Paused bool
	// Notice is said at the beginning, such as that the file is damaged.
	Notice string
}

func (c Config) validate() error {
	if c.Backend == nil {
		return errors.New("start the app: there is no backend")
	}
	if _, err := themes.Find(c.Theme); err != nil {
		return err
	}
	if c.Screen != "" {
		if _, err := findScreen(screens(), c.Screen); err != nil {
			return err
		}
	}
	return nil
}

// Quit says what the user wants of the lab after the app.
type Quit int

// What the user can want.
const (
	Keep Quit = iota // the lab keeps running
	Down             // the caller shuts the lab down
)

// String says it in a word.
func (q Quit) String() string {
	if q == Down {
		return "down"
	}
	return "keep"
}

package plain

import (
	"fmt"
	"io"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// Writer prints the lines of a stream of events.
type Writer struct {
	out   io.Writer
	world *state.World
}

// NewWriter prints to out what changes from world on. It owns the world.
func NewWriter(out io.Writer, world *state.World) *Writer { return &Writer{out: out, world: world} }

// World is the state after the events written so far.
func (w *Writer) World() *state.World { return w.world }

// Write folds events and prints a line for each that changes something.
func (w *Writer) Write(events []event.Event) error {
	for _, e := range events {
		line := Line(e, w.world)
		w.world.Apply(e)
		if line == "" {
			continue
		}
		if _, err := fmt.Fprintln(w.out, line); err != nil {
			return fmt.Errorf("print event %d: %w", e.Seq, err)
		}
	}
	return nil
}

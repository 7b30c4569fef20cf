package ui

import (
	"io"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// frames is a program that says of each of its frames what its pacer found.
type frames struct {
	pace  *pacer
	paced chan bool
}

func (f frames) Init() tea.Cmd                       { return nil }
func (f frames) Update(tea.Msg) (tea.Model, tea.Cmd) { return f, nil }
func (f frames) View() tea.View {
	f.pace.frame()
	f.pace.mu.Lock()
	defer f.pace.mu.Unlock()
	select {
	case f.paced <- f.pace.ticker != nil && !f.pace.resting:
	default:
	}
	return tea.NewView("")
}

// TestPacer holds that the renderer's ticker is where the pacer looks for it, rests
// when there are no frames, and wakes with the next.
func TestPacer(t *testing.T) {
	f := frames{&pacer{}, make(chan bool, 1)}
	program := tea.NewProgram(f, tea.WithInput(nil), tea.WithOutput(io.Discard), tea.WithWindowSize(80, 24))
	f.pace.program = program
	ended := make(chan error)
	go func() {
		_, err := program.Run()
		ended <- err
	}()
	if !<-f.paced {
		t.Error("the renderer's ticker is not where Bubble Tea had it")
	}
	rests := func() bool {
		f.pace.mu.Lock()
		defer f.pace.mu.Unlock()
		return f.pace.resting
	}
	look := time.NewTicker(drawing / 10)
	defer look.Stop()
	for tries := 0; !rests(); tries++ {
		if tries > 1000 {
			t.Fatal("the renderer does not rest")
		}
		<-look.C
	}
	for len(f.paced) > 0 {
		<-f.paced
	}
	program.Send(struct{}{})
	if !<-f.paced {
		t.Error("a frame did not wake the renderer")
	}
	program.Quit()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	f.pace.stop()
}

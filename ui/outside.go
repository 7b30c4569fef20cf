package ui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/history"
	"workbench/ui/widget"
)

// outside is what the app does beside drawing. Its methods return at once; what
// comes of them arrives as messages.
type outside interface {
	// Act asks the supervisor for an action; a refusal arrives as a noteMsg.
	Act(verb, target string)
	// Window asks for the stretch of the past that an instant is in; it arrives as
	// a windowMsg with this id.
	Window(id int, at history.Instant)
	// Run runs a command; the last line it prints arrives as a noteMsg.
	Run(args []string)
	// Page runs a command; what it prints arrives as pageMsg with this id until
	// stop is called.
	Page(id int, args []string) (stop func())
	// Shell gives the terminal to a command until that ends.
	Shell(args []string) tea.Cmd
}

// What comes from outside.
type (
	noteMsg struct {
		text string
		bad  bool
	}
	pageMsg struct {
		id    int
		lines []string
		done  bool
		err   error
	}
)

// courier is the outside of a running app. spawn runs a function in a goroutine
// that the app waits for, with a context that ends when the app does.
type courier struct {
	backend Backend
	send    func(tea.Msg)
	spawn   func(func(context.Context))
}

// Act implements outside.
func (c courier) Act(verb, target string) {
	c.spawn(func(ctx context.Context) {
		if err := c.backend.Act(ctx, verb, target); err != nil && ctx.Err() == nil {
			c.send(noteMsg{text: fmt.Sprintf("%s %s refused: %v", verb, target, err), bad: true})
		}
	})
}

// Window implements outside.
func (c courier) Window(id int, at history.Instant) {
	c.spawn(func(ctx context.Context) {
		win, err := c.backend.Window(ctx, at)
		if ctx.Err() == nil {
			c.send(windowMsg{id: id, win: win, err: err})
		}
	})
}

// Run implements outside.
func (c courier) Run(args []string) {
	c.spawn(func(ctx context.Context) {
		var out bytes.Buffer
		cmd := c.backend.Command(args...)
		cmd.Stdout, cmd.Stderr = &out, &out
		err := run(ctx, cmd)
		if ctx.Err() != nil {
			return
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		text := widget.Clean(lines[len(lines)-1])
		if err != nil {
			text = strings.TrimSpace(fmt.Sprintf("%s: %v: %s", strings.Join(args, " "), err, text))
		}
		c.send(noteMsg{text: text, bad: err != nil})
	})
}

// Page implements outside.
func (c courier) Page(id int, args []string) func() {
	stopped := make(chan struct{})
	c.spawn(func(ctx context.Context) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		lines := newBatcher[string]()
		var workers sync.WaitGroup
		workers.Go(func() {
			select {
			case <-stopped:
				stop()
			case <-ctx.Done():
			}
		})
		flushing, flushed := context.WithCancel(ctx)
		workers.Go(func() {
			lines.run(flushing, func(batch []string) { c.send(pageMsg{id: id, lines: batch}) })
		})
		out := &lineWriter{lines: lines}
		cmd := c.backend.Command(args...)
		cmd.Stdout, cmd.Stderr = out, out
		err := run(ctx, cmd)
		out.end()
		flushed()
		stop()
		workers.Wait()
		c.send(pageMsg{id: id, done: true, err: err})
	})
	return sync.OnceFunc(func() { close(stopped) })
}

// Shell implements outside.
func (c courier) Shell(args []string) tea.Cmd {
	return tea.ExecProcess(c.backend.Command(args...), func(err error) tea.Msg {
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return noteMsg{text: fmt.Sprintf("%s: %v", strings.Join(args, " "), err), bad: true}
		}
		return noteMsg{text: "workbench " + strings.Join(args, " ") + " ended"}
	})
}

// mendTime is how long a command may take to put in order what it began.
const mendTime = 10 * time.Second

// run runs a command and interrupts it when ctx ends: one that broke something on
// purpose mends it then.
func run(ctx context.Context, cmd *exec.Cmd) error {
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	defer close(ended)
	stop := context.AfterFunc(ctx, func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(mendTime):
			_ = cmd.Process.Kill()
		}
	})
	defer stop()
	return cmd.Wait()
}

// lineWriter cuts what a command prints into lines.
type lineWriter struct {
	lines *batcher[string]
	part  []byte
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.part = append(w.part, p...)
	var lines []string
	for {
		line, rest, found := bytes.Cut(w.part, []byte("\n"))
		if !found {
			break
		}
		lines, w.part = append(lines, widget.Clean(string(line))), rest
	}
	if len(lines) > 0 {
		w.lines.add(lines, true)
	}
	return len(p), nil
}

// end adds what was printed without a line break at the end.
func (w *lineWriter) end() {
	if len(w.part) > 0 {
		w.lines.add([]string{widget.Clean(string(w.part))}, true)
		w.part = nil
	}
}

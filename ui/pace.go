package ui

import (
	"reflect"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

// The pace of the renderer.
const (
	// framesPerSecond is how often the terminal is written to at most.
	framesPerSecond = 60
	// drawing is for how long after a frame the renderer looks for it: it is handed
	// over right after it was made, unless the machine is too busy.
	drawing = 100 * time.Millisecond
	// idle is how often it looks otherwise.
	idle = time.Second
)

// pacer lets Bubble Tea's renderer rest. By itself it looks for a new frame sixty
// times a second, also where there is none for minutes: that took half of what an app
// at rest takes of a processor. There is no option for it, so its ticker is reached
// into; where that is not found, the renderer keeps its own pace.
type pacer struct {
	program *tea.Program

	mu      sync.Mutex
	ticker  *time.Ticker // of the renderer; nil before the first frame
	slow    *time.Timer
	last    time.Time // of the frames
	resting bool
}

// frame says that there is a new frame. It is called by the program's own goroutine,
// which has started the renderer by then. A nil pacer does nothing.
func (p *pacer) frame() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	switch {
	case p.slow == nil:
		if p.ticker = tickerOf(p.program); p.ticker != nil {
			p.slow = time.AfterFunc(drawing, p.rest)
		}
	case p.resting:
		p.resting = false
		p.ticker.Reset(time.Second / framesPerSecond)
		p.slow.Reset(drawing)
	}
}

// rest slows the renderer down once there was no frame for a while.
func (p *pacer) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left := time.Until(p.last.Add(drawing)); left > 0 {
		p.slow.Reset(left)
		return
	}
	p.resting = true
	p.ticker.Reset(idle)
}

// stop ends it, once the program has.
func (p *pacer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slow != nil {
		p.slow.Stop()
		p.ticker.Stop()
	}
}

// tickerOf is the ticker of a program's renderer; nil where it is not found.
func tickerOf(program *tea.Program) *time.Ticker {
	field := reflect.ValueOf(program).Elem().FieldByName("ticker")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*time.Ticker]() {
		return nil
	}
	return (*time.Ticker)(field.UnsafePointer())
}

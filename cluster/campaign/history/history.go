// Package history records what clients asked of registers and what they were
// told, and verifies it: that each key was linearizable, by porcupine, and that
// nothing that was acknowledged is lost.
//
// A request whose answer never came may have had its effect, at any time after it
// was sent, or never will: its return is at infinity, and the model takes both.
package history

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Kind is what was asked.
type Kind string

// The kinds of operations on a register, whose value is "" before the first.
const (
	Read Kind = "read"
	// Swap writes Value if the register has Expect.
	Swap Kind = "swap"
)

// Outcome is what the client was told.
type Outcome string

// The outcomes.
const (
	Done     Outcome = "done"     // acknowledged
	Conflict Outcome = "conflict" // a swap found another value
	Unknown  Outcome = "unknown"  // no answer, or one that does not say
)

// Operation is one request.
type Operation struct {
	Key     string  `json:"key"`
	Client  int     `json:"client"`
	Kind    Kind    `json:"kind"`
	Expect  string  `json:"expect,omitempty"`
	Value   string  `json:"value"` // written, or read
	Outcome Outcome `json:"outcome"`
	// Call and Return are since the history's begin; Return is meaningless when the
	// outcome is unknown.
	Call   time.Duration `json:"call"`
	Return time.Duration `json:"return"`
}

// String is the operation in a line.
func (o Operation) String() string {
	text := fmt.Sprintf("%9.3fs client %d %s", o.Call.Seconds(), o.Client, o.Kind)
	if o.Kind == Swap {
		text += fmt.Sprintf(" %q > %q: %s", o.Expect, o.Value, o.Outcome)
	} else {
		text += fmt.Sprintf(": %q", o.Value)
	}
	if o.Outcome == Unknown {
		return text
	}
	return text + fmt.Sprintf(" after %v", (o.Return-o.Call).Round(time.Microsecond))
}

// History are the operations of some clients. It is safe for concurrent use.
type History struct {
	began time.Time
	mu    sync.Mutex
	ops   map[string][]Operation
}

// New is an empty history that begins now.
func New() *History { return &History{began: time.Now(), ops: map[string][]Operation{}} }

// Now is the time since the begin.
func (h *History) Now() time.Duration { return time.Since(h.began) }

// Add records an operation that has ended, or never will. Reads without an answer
// say nothing and are not kept.
func (h *History) Add(o Operation) {
	if o.Kind == Read && o.Outcome != Done {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops[o.Key] = append(h.ops[o.Key], o)
}

// Take gives the operations of a key, in order of their calls, and forgets them.
func (h *History) Take(key string) []Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	ops := h.ops[key]
	delete(h.ops, key)
	slices.SortStableFunc(ops, func(a, b Operation) int { return int(a.Call - b.Call) })
	return ops
}

// register is a model of one register: its state is its value.
func register() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			o, value := input.(Operation), state.(string)
			switch {
			case o.Kind == Read:
				return value == o.Value, value
			case o.Outcome == Done:
				return value == o.Expect, o.Value
			case o.Outcome == Conflict:
				return value != o.Expect, value
			case value == o.Expect: // unknown: it took effect here
				return true, o.Value
			}
			return true, value // or had none
		},
		DescribeOperation: func(input, _ any) string { return input.(Operation).String() },
		DescribeState:     func(state any) string { return fmt.Sprintf("%q", state) },
	}
}

// Verdict says whether the operations on a key can have happened one after the
// other, each between its call and its return.
type Verdict string

// The verdicts.
const (
	Linearizable Verdict = "linearizable"
	Violated     Verdict = "violated"
	Undecided    Verdict = "undecided" // not within the time
)

// Check verifies the operations on one key. Where the verdict is a violation and
// picture is not "", a visualization in HTML is written there.
func Check(ops []Operation, within time.Duration, picture string) (Verdict, error) {
	var all []porcupine.Operation
	for _, o := range ops {
		end := int64(o.Return)
		if o.Outcome == Unknown {
			end = math.MaxInt64
		}
		all = append(all, porcupine.Operation{ClientId: o.Client, Input: o, Call: int64(o.Call), Output: nil, Return: end})
	}
	model := register()
	result, info := porcupine.CheckOperationsVerbose(model, all, within)
	switch result {
	case porcupine.Ok:
		return Linearizable, nil
	case porcupine.Unknown:
		return Undecided, nil
	}
	if picture == "" {
		return Violated, nil
	}
	if err := porcupine.VisualizePath(model, info, picture); err != nil {
		return Violated, fmt.Errorf("write the picture of a violation: %w", err)
	}
	return Violated, nil
}

// Lost are the keys that were acknowledged but are not there, sorted. Strays are
// those that are there with a value that nobody tried to write.
func Lost(acknowledged, tried, found map[string]string) (lost, strays []string) {
	for _, key := range slices.Sorted(maps.Keys(acknowledged)) {
		if value, ok := found[key]; !ok || value != acknowledged[key] {
			lost = append(lost, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if value, ok := tried[key]; !ok || value != found[key] {
			strays = append(strays, key)
		}
	}
	return lost, strays
}

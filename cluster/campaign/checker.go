package campaign

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"workbench/cluster/campaign/history"
)

// How clients write. Two of them share a register, so that swaps meet; a third
// makes keys, of which each must be there at the end.
const (
	writers   = 2
	writeGap  = 150 * time.Millisecond
	writeTime = 2 * time.Second // then the outcome is unknown
	// unknownMost is how many unknown outcomes a register may have before the
	// clients go on with another: each doubles what the checker has to try.
	unknownMost = 6
	// undecided is how long the checker may try one register.
	undecidedAfter = 20 * time.Second
	// readWithin is how long the last read of a register may take on a lab that has
	// converged.
	readWithin = time.Minute
	// cleanWithin is how long it may take to delete what was written.
	cleanWithin = 3 * time.Minute
)

// Checker writes to a store and verifies what became of it.
type Checker struct {
	store   Store
	prefix  string // of all keys; unique to the run
	dir     string // for pictures of violations
	history *history.History

	mu           sync.Mutex
	epoch        *epoch
	acknowledged atomic.Int64
	unknown      atomic.Int64
}

// epoch are the keys between two verifications.
type epoch struct {
	number int
	// writing is held by clients for reading while they make a request.
	writing sync.RWMutex

	mu        sync.Mutex
	registers []string
	unknown   map[string]int
	// tried and acknowledged are the keys made, with their values.
	tried, acknowledged map[string]string
}

// NewChecker is a checker whose keys all begin with a prefix, which ends in a dot.
func NewChecker(store Store, prefix, dir string) *Checker {
	c := &Checker{store: store, prefix: prefix, dir: dir, history: history.New()}
	c.next(0)
	return c
}

func (c *Checker) next(number int) {
	e := &epoch{number: number, unknown: map[string]int{}, tried: map[string]string{}, acknowledged: map[string]string{}}
	e.registers = []string{c.register(e)}
	c.epoch = e
}

func (c *Checker) register(e *epoch) string {
	return fmt.Sprintf("%sr%d-%d", c.prefix, e.number, len(e.registers))
}

// made is the prefix of the keys that an epoch makes.
func (c *Checker) made(e *epoch) string { return fmt.Sprintf("%sm%d-", c.prefix, e.number) }

// Run writes until ctx ends, and then returns when the last request has.
func (c *Checker) Run(ctx context.Context) {
	var clients sync.WaitGroup
	for id := range writers {
		clients.Go(func() { c.client(ctx, func(n int) { c.swap(ctx, id, n) }) })
	}
	clients.Go(func() { c.client(ctx, func(n int) { c.create(ctx, n) }) })
	clients.Wait()
}

func (c *Checker) client(ctx context.Context, request func(n int)) {
	tick := time.NewTicker(writeGap)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			request(n)
		}
	}
}

// enter gives the present epoch, which is not verified until leave is called.
func (c *Checker) enter() (e *epoch, leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch.writing.RLock()
	return c.epoch, c.epoch.writing.RUnlock
}

// swap reads a register, and writes it if nobody did in between.
func (c *Checker) swap(ctx context.Context, client, n int) {
	e, leave := c.enter()
	defer leave()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	e.mu.Lock()
	key := e.registers[len(e.registers)-1]
	e.mu.Unlock()
	seen, err := c.read(ctx, client, key)
	if err != nil {
		return
	}
	value := fmt.Sprintf("%d.%d", client, n)
	o := history.Operation{Key: key, Client: client, Kind: history.Swap, Expect: seen.Value, Value: value, Outcome: history.Done, Call: c.history.Now()}
	_, err = c.store.Swap(ctx, key, seen, value)
	o.Return = c.history.Now()
	var refused Refused
	switch {
	case err == nil:
		c.acknowledged.Add(1)
	case errors.Is(err, ErrConflict):
		o.Outcome = history.Conflict
	case errors.As(err, &refused):
		return // as if it had not been asked
	default:
		o.Outcome = history.Unknown
		c.unknown.Add(1)
		e.mu.Lock()
		if e.unknown[key]++; e.unknown[key] == unknownMost {
			e.registers = append(e.registers, c.register(e))
		}
		e.mu.Unlock()
	}
	c.history.Add(o)
}

func (c *Checker) read(ctx context.Context, client int, key string) (Seen, error) {
	o := history.Operation{Key: key, Client: client, Kind: history.Read, Outcome: history.Done, Call: c.history.Now()}
	seen, err := c.store.Read(ctx, key)
	if err != nil {
		return seen, err
	}
	o.Value, o.Return = seen.Value, c.history.Now()
	c.history.Add(o)
	return seen, nil
}

// create makes a key of its own.
func (c *Checker) create(ctx context.Context, n int) {
	e, leave := c.enter()
	defer leave()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	key, value := fmt.Sprintf("%s%d", c.made(e), n), fmt.Sprint("made ", n)
	e.mu.Lock()
	e.tried[key] = value
	e.mu.Unlock()
	_, err := c.store.Swap(ctx, key, Seen{}, value)
	if err != nil {
		if !errors.Is(err, ErrConflict) && !errors.As(err, new(Refused)) {
			c.unknown.Add(1)
		}
		return
	}
	c.acknowledged.Add(1)
	e.mu.Lock()
	e.acknowledged[key] = value
	e.mu.Unlock()
}

// Finding is what a verification found.
type Finding struct {
	// Keys verified: registers, and keys that were made.
	Registers int `json:"registers"`
	Made      int `json:"made"`
	// Lost keys were acknowledged and are not there; Strays nobody wrote.
	Lost   []string `json:"lost,omitempty"`
	Strays []string `json:"strays,omitempty"`
	// Violations are registers that were not linearizable, with their histories.
	Violations []Violation `json:"violations,omitempty"`
	// Undecided registers took too long to check.
	Undecided []string `json:"undecided,omitempty"`
}

// Violation is a register that was not linearizable.
type Violation struct {
	Key     string              `json:"key"`
	History []history.Operation `json:"history"`
	// Picture is a file with a visualization.
	Picture string `json:"picture,omitempty"`
}

// OK says that nothing is wrong.
func (f Finding) OK() bool { return len(f.Lost)+len(f.Strays)+len(f.Violations) == 0 }

// String says what is wrong, with the history of each key.
func (f Finding) String() string {
	var lines []string
	for _, key := range f.Lost {
		lines = append(lines, "lost: "+key+" was acknowledged and is not there as it was written")
	}
	for _, key := range f.Strays {
		lines = append(lines, "stray: "+key+" is there and nobody wrote it")
	}
	for _, v := range f.Violations {
		lines = append(lines, "not linearizable: "+v.Key+"; see "+v.Picture)
		for _, o := range v.History {
			lines = append(lines, "  "+o.String())
		}
	}
	return strings.Join(lines, "\n")
}

// Verify lets the clients go on with new keys, and checks and deletes the old
// ones. The lab must answer; an error says that it did not.
func (c *Checker) Verify(asked context.Context) (Finding, error) {
	c.mu.Lock()
	old := c.epoch
	c.next(old.number + 1)
	c.mu.Unlock()
	old.writing.Lock() // no request is under way any more
	defer old.writing.Unlock()
	ctx, cancel := context.WithTimeoutCause(asked, readWithin, fmt.Errorf("%s was not read within %v", c.store.Name(), readWithin))
	defer cancel()
	f := Finding{Registers: len(old.registers), Made: len(old.tried)}
	for _, key := range old.registers {
		if err := c.retry(ctx, func(ctx context.Context) error { _, err := c.read(ctx, writers, key); return err }); err != nil {
			return f, fmt.Errorf("read %s: %w", key, err)
		}
		ops := c.history.Take(key)
		picture := filepath.Join(c.dir, fmt.Sprintf("%s-%s.html", c.store.Name(), filepath.Base(key)))
		verdict, err := history.Check(ops, undecidedAfter, picture)
		if err != nil {
			return f, err
		}
		switch verdict {
		case history.Violated:
			f.Violations = append(f.Violations, Violation{key, ops, picture})
		case history.Undecided:
			f.Undecided = append(f.Undecided, key)
		}
	}
	var found map[string]string
	if err := c.retry(ctx, func(ctx context.Context) (err error) { found, err = c.store.List(ctx, c.made(old)); return err }); err != nil {
		return f, fmt.Errorf("list %s: %w", c.made(old), err)
	}
	f.Lost, f.Strays = history.Lost(old.acknowledged, old.tried, found)
	if !f.OK() {
		return f, nil // what is there is evidence
	}
	// That there is much to delete, on a busy machine, is no fault of the lab.
	cleaning, end := context.WithTimeoutCause(asked, cleanWithin, fmt.Errorf("what was written to %s was not deleted within %v", c.store.Name(), cleanWithin))
	defer end()
	for _, prefix := range []string{c.made(old), fmt.Sprintf("%sr%d-", c.prefix, old.number)} {
		if err := c.retry(cleaning, func(ctx context.Context) error { return c.store.Delete(ctx, prefix) }); err != nil {
			return f, fmt.Errorf("delete %s: %w", prefix, err)
		}
	}
	return f, nil
}

// retry asks until there is an answer or ctx ends.
func (c *Checker) retry(ctx context.Context, ask func(context.Context) error) error {
	tick := time.NewTicker(writeGap)
	defer tick.Stop()
	for {
		one, cancel := context.WithTimeout(ctx, 5*writeTime)
		err := ask(one)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// Clean removes all keys of the run and says which are left.
func (c *Checker) Clean(ctx context.Context) (left []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, cleanWithin)
	defer cancel()
	if err := c.retry(ctx, func(ctx context.Context) error { return c.store.Delete(ctx, c.prefix) }); err != nil {
		return nil, fmt.Errorf("delete %s: %w", c.prefix, err)
	}
	found, err := c.store.List(ctx, c.prefix)
	return slices.Sorted(maps.Keys(found)), err
}

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"workbench/cluster/event"
	"workbench/cluster/plan"
)

// execute runs steps, each as soon as what it comes after is done; what a step
// names that is not among the steps counts as done. The first failure cancels
// the rest and is returned.
func execute(ctx context.Context, steps []plan.Step, emit func(event.Body), run func(context.Context, plan.Step) error) error {
	done := map[string]*gate{}
	for _, s := range steps {
		done[s.ID] = newGate()
	}
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range steps {
		group.Go(func() error {
			if err := await(ctx, s, done); err != nil {
				return err
			}
			emit(event.StepStarted{ID: s.ID, Title: s.Title, Node: s.Node, Index: i, Total: len(steps)})
			began := time.Now()
			err := run(ctx, s)
			end := event.StepDone{ID: s.ID, Took: time.Since(began)}
			if err != nil {
				end.Error = err.Error()
				emit(end)
				if ctx.Err() != nil && errors.Is(err, context.Canceled) {
					return err // another step failed first
				}
				return fmt.Errorf("step %s: %w", s.ID, err)
			}
			emit(end)
			done[s.ID].open()
			return nil
		})
	}
	return group.Wait()
}

// gate opens once.
type gate struct {
	once sync.Once
	c    chan struct{}
}

func newGate() *gate { return &gate{c: make(chan struct{})} }

func (g *gate) open() { g.once.Do(func() { close(g.c) }) }

// await waits for what a step comes after.
func await(ctx context.Context, s plan.Step, done map[string]*gate) error {
	for _, id := range s.After {
		g, ok := done[id]
		if !ok {
			continue
		}
		select {
		case <-g.c:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return awaitAny(ctx, s.AfterAny, done)
}

func awaitAny(ctx context.Context, ids []string, done map[string]*gate) error {
	any, pending := newGate(), 0
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, id := range ids {
		g, ok := done[id]
		if !ok {
			return nil
		}
		pending++
		go func() {
			select {
			case <-g.c:
				any.open()
			case <-ctx.Done():
			}
		}()
	}
	if pending == 0 {
		return nil
	}
	select {
	case <-any.c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

package observe

import (
	"context"
	"fmt"
	"time"
)

// Refresher gives benchmarks one part of what a source does, on demand.
func Refresher(ctx context.Context, cfg Config, what string) (refresh func() error, stop func(), err error) {
	s, err := open(cfg)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s.start(ctx)
	stop = func() {
		cancel()
		s.close()
	}
	if err := s.list(ctx, time.Now()); err != nil {
		stop()
		return nil, nil, err
	}
	if s.generation, err = s.kernel.Generation(); err != nil {
		stop()
		return nil, nil, err
	}
	switch what {
	case "listing":
		return func() error { return s.list(ctx, time.Now()) }, stop, nil
	case "counters":
		return func() error {
			s.began, s.dirty = true, true
			return s.count(time.Now())
		}, stop, nil
	case "idle":
		return func() error {
			for range int(time.Second / generationEvery) {
				if changed, err := s.changed(time.Now()); err != nil || changed {
					return fmt.Errorf("changed %t: %w", changed, err)
				}
			}
			return s.count(time.Now())
		}, stop, nil
	}
	stop()
	return nil, nil, fmt.Errorf("unknown part %q", what)
}

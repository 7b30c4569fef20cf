package probe

import (
	"context"
	"errors"
	"time"

	"workbench/cluster/event"
)

// series are the probes of one target.
type series struct {
	Config
	Target
	failing bool
	untold  []told // successes that no event told yet
}

type told struct {
	at   time.Time
	took time.Duration
}

func (s *series) run(ctx context.Context) {
	defer s.reset()
	tick := time.NewTicker(s.Interval)
	defer tick.Stop()
	for n := 0; ; n++ {
		if n%Seldom == 0 || s.failing || s.Calm == nil || !s.Calm() {
			s.probe(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *series) reset() {
	if s.Reset != nil {
		s.Reset()
	}
}

// probe makes one request and tells how it went, unless ctx ended meanwhile.
func (s *series) probe(ctx context.Context) {
	if s.Off != nil && s.Off() {
		s.untold, s.failing = s.untold[:0], false
		return
	}
	limited, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	began := time.Now()
	err := s.Try(limited)
	took := time.Since(began)
	if ctx.Err() != nil || errors.Is(err, ErrIdle) {
		return
	}
	now := began.Add(took)
	if err == nil && !s.failing && len(s.untold) < s.Batch-1 {
		s.untold = append(s.untold, told{now, took})
		return
	}
	result := event.Probe{Target: s.Name, OK: err == nil, Latency: took}
	for _, t := range s.untold {
		result.Earlier = append(result.Earlier, event.ProbeSample{Ago: now.Sub(t.at), Latency: t.took})
	}
	s.untold, s.failing = s.untold[:0], err != nil
	if err != nil {
		result.Error = reason(err, s.Timeout)
		// Whoever answered, or did not, may be the reason: a balancer in front of
		// the API picks again.
		s.reset()
	}
	s.Emit(result)
}

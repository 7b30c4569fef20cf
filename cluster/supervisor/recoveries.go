package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/state"
)

// recall tells how recoveries went in earlier runs of the lab, which the next
// faults are compared with.
func (s *Supervisor) recall() {
	past, err := readRecoveries(s.place.Recoveries())
	if err != nil {
		s.log.Warn("compare with earlier recoveries", "cause", err) // a comparison is worth no refusal
		return
	}
	for _, p := range past {
		s.rec.Emit(p)
	}
}

func readRecoveries(path string) ([]event.RecoveryPast, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read earlier recoveries: %w", err)
	}
	var past []event.RecoveryPast
	if err := json.Unmarshal(raw, &past); err != nil {
		return nil, fmt.Errorf("read earlier recoveries: %s: %w", path, err)
	}
	return past, nil
}

// keepRecoveries writes them down as they end, until ctx does.
func (s *Supervisor) keepRecoveries(ctx context.Context) {
	var written uint64
	for {
		over := s.rec.Await(ctx, func(w *state.World) (bool, error) { return w.Recovery.Done != written, nil })
		var past []event.RecoveryPast
		s.rec.See(func(w *state.World) {
			if w.Recovery.Done != written {
				past, written = w.Recovery.Remember(), w.Recovery.Done
			}
		})
		if past != nil {
			if err := writeRecoveries(s.place.Recoveries(), past); err != nil {
				s.log.Warn("keep recoveries to compare with", "cause", err)
			}
		}
		if over != nil {
			return
		}
	}
}

func writeRecoveries(path string, past []event.RecoveryPast) error {
	raw, err := json.Marshal(past)
	if err != nil {
		return fmt.Errorf("write recoveries: %w", err)
	}
	return layout.WriteFile(path, append(raw, '\n'), 0o600)
}

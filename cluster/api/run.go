package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// RunRequest holds a run of a scenario or a campaign: for as long as the request
// is open, the run goes on.
type RunRequest struct {
	// Run is its name, such as leader-loss-150405.
	Run string `json:"run"`
	// Name is that of the scenario, or campaign.
	Name  string `json:"name"`
	Owner string `json:"owner,omitempty"`
}

// StopRequest asks whoever runs a scenario or a campaign to stop, and to heal.
type StopRequest struct {
	// Name is what is to be stopped: campaign, scenario, or "" for whatever runs.
	Name string `json:"name,omitempty"`
	// Owner is who asks.
	Owner string `json:"owner,omitempty"`
}

// Runs are the scenarios and campaigns that run; one at a time.
type Runs interface {
	// Hold lets a run begin. Stop gets who asks it to stop. After End, which is
	// called once however the run ended, the faults of the run are no more.
	Hold(r RunRequest) (stop <-chan string, end func(), err error)
	// StopRun asks the run to stop, and is told its name.
	StopRun(r StopRequest) (run string, err error)
}

// Stopped is why the context of a held run ended: somebody asked.
type Stopped struct{ By string }

// Error implements error.
func (s *Stopped) Error() string { return "stopped by " + s.By }

// runLine is a line of the answer to a held run: an empty one when it may begin,
// another when it is to stop.
type runLine struct {
	StoppedBy string `json:"stoppedBy,omitempty"`
}

// handleRuns serves POST /v1/run, which is open for as long as the run goes on, and
// POST /v1/run/stop.
func handleRuns(mux *http.ServeMux, runs Runs) {
	mux.HandleFunc("POST /v1/run", func(w http.ResponseWriter, r *http.Request) {
		var req RunRequest
		if !decode(w, r, &req) {
			return
		}
		stop, end, err := runs.Hold(req)
		if err != nil {
			refuse(w, http.StatusConflict, err)
			return
		}
		defer end()
		flush, enc := http.NewResponseController(w), json.NewEncoder(w)
		line := func(l runLine) error { return errors.Join(enc.Encode(l), flush.Flush()) }
		w.Header().Set("Content-Type", "application/x-ndjson")
		if line(runLine{}) != nil {
			return
		}
		for {
			select {
			case <-r.Context().Done(): // it is done, or its process is gone
				return
			case by := <-stop:
				if line(runLine{StoppedBy: by}) != nil {
					return
				}
			}
		}
	})
	mux.HandleFunc("POST /v1/run/stop", func(w http.ResponseWriter, r *http.Request) {
		var req StopRequest
		if !decode(w, r, &req) {
			return
		}
		run, err := runs.StopRun(req)
		answer(w, run, err)
	})
}

// Hold lets a run begin and tells the supervisor, for as long as this process
// lives and release was not called, that it goes on. The context that it gives
// ends when somebody asks the run to stop, with cause *Stopped, and when the
// supervisor is gone.
func (c *Client) Hold(ctx context.Context, r RunRequest) (held context.Context, release func(), err error) {
	open, shut := context.WithCancel(context.WithoutCancel(ctx))
	resp, err := c.do(open, http.MethodPost, "/v1/run", r)
	if err != nil {
		shut()
		return nil, nil, err
	}
	dec := json.NewDecoder(resp.Body)
	if err := dec.Decode(&runLine{}); err != nil {
		shut()
		return nil, nil, errors.Join(fmt.Errorf("begin %s: %w", r.Run, err), resp.Body.Close())
	}
	held, cancel := context.WithCancelCause(ctx)
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			var l runLine
			switch err := dec.Decode(&l); {
			case err != nil:
				cancel(fmt.Errorf("%s: the supervisor is gone: %w", r.Run, err))
				return
			case l.StoppedBy != "":
				cancel(&Stopped{By: l.StoppedBy})
			}
		}
	})
	return held, func() {
		shut()
		_ = resp.Body.Close() // it is cancelled
		reading.Wait()
		cancel(nil)
	}, nil
}

// StopRun asks whoever runs a scenario or a campaign to stop; it returns the run's
// name.
func (c *Client) StopRun(ctx context.Context, r StopRequest) (string, error) {
	var run string
	err := c.ask(ctx, "/v1/run/stop", r, &run)
	return run, err
}

package api

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/state"
)

// Lab is what the server serves.
type Lab interface {
	// World is the folded state as JSON.
	World() ([]byte, error)
	// Reader is a cursor on the events after a sequence number.
	Reader(after uint64) Reader
	// Last is the sequence number of the newest event.
	Last() uint64
	Act(ctx context.Context, r Request) error
	// Down begins to shut down.
	Down(cause string)
}

// Reader is a cursor on the journal.
type Reader interface {
	// Next waits until there are more events; the error of an ended wait is ctx's.
	Next(ctx context.Context) ([]event.Event, error)
	Close() error
}

// Past is how the lab was.
type Past interface {
	At(ctx context.Context, at history.Instant) (*state.World, error)
	Window(ctx context.Context, at history.Instant) (history.Window, error)
	Oldest(ctx context.Context) (history.Instant, error)
}

// Handler serves a lab and its past.
func Handler(lab Lab, past Past) http.Handler {
	mux := http.NewServeMux()
	servePast(mux, past)
	mux.HandleFunc("GET /v1/world", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("at") {
			worldAt(past, w, r)
			return
		}
		raw, err := lab.World()
		if err != nil {
			refuse(w, http.StatusInternalServerError, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(raw) // a client that left needs no answer
	})
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) { events(lab, w, r) })
	mux.HandleFunc("POST /v1/act", func(w http.ResponseWriter, r *http.Request) {
		var req Request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&req); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		if err := lab.Act(r.Context(), req); err != nil {
			refuse(w, http.StatusConflict, err)
		}
	})
	if faults, ok := lab.(Faults); ok {
		handleFaults(mux, faults)
	}
	if runs, ok := lab.(Runs); ok {
		handleRuns(mux, runs)
	}
	if teller, ok := lab.(Teller); ok {
		handleTell(mux, teller)
	}
	if operations, ok := lab.(Operations); ok {
		handleOperations(mux, operations)
	}
	if traces, ok := lab.(Traces); ok {
		handleTraces(mux, traces)
	}
	if forwards, ok := lab.(Forwards); ok {
		handleForwards(mux, forwards)
	}
	if images, ok := lab.(Imager); ok {
		handleImages(mux, images)
	}
	mux.HandleFunc("POST /v1/down", func(http.ResponseWriter, *http.Request) { lab.Down("asked by a user") })
	return mux
}

func refuse(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(Problem{Error: err.Error()})
}

func events(lab Lab, w http.ResponseWriter, r *http.Request) {
	var after uint64
	if s := r.URL.Query().Get("after"); s != "" {
		var err error
		if after, err = strconv.ParseUint(s, 10, 64); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
	}
	limit := uint64(math.MaxUint64)
	if s := r.URL.Query().Get("limit"); s != "" {
		var err error
		if limit, err = strconv.ParseUint(s, 10, 64); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
	}
	pause := time.Duration(0)
	if s := r.URL.Query().Get("lull"); s != "" {
		var err error
		if pause, err = time.ParseDuration(s); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
	}
	follow := r.URL.Query().Get("follow") != ""
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	enc := json.NewEncoder(w)
	reader := lab.Reader(after)
	defer reader.Close()
	paced := lull{reader: reader, length: pause, nodes: map[string]string{}}
	for until := lab.Last(); limit > 0 && (follow || after < until); {
		batch, err := paced.next(r.Context())
		if err != nil {
			return
		}
		for _, e := range batch {
			if err := enc.Encode(e); err != nil {
				return
			}
			after = e.Seq
			if limit--; limit == 0 {
				break
			}
		}
		if err := flush.Flush(); err != nil {
			return
		}
	}
}

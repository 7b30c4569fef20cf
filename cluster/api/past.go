package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"workbench/cluster/history"
)

// servePast adds what shows how the lab was.
func servePast(mux *http.ServeMux, past Past) {
	mux.HandleFunc("GET /v1/window", func(w http.ResponseWriter, r *http.Request) {
		at, err := history.ParseInstant(r.URL.Query().Get("at"))
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		win, err := past.Window(r.Context(), at)
		if err != nil {
			refusePast(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		if _, err := w.Write(append(bytes.TrimSpace(win.Keyframe), '\n')); err != nil {
			return
		}
		enc := json.NewEncoder(w)
		for _, e := range win.Events {
			if err := enc.Encode(e); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("GET /v1/oldest", func(w http.ResponseWriter, r *http.Request) {
		oldest, err := past.Oldest(r.Context())
		if err != nil {
			refusePast(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(oldest) // a client that left needs no answer
	})
}

// worldAt answers with the world at an instant.
func worldAt(past Past, w http.ResponseWriter, r *http.Request) {
	at, err := history.ParseInstant(r.URL.Query().Get("at"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	world, err := past.At(r.Context(), at)
	if err != nil {
		refusePast(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(world)
}

// refusePast says why an instant cannot be shown, and which oldest one can.
func refusePast(w http.ResponseWriter, err error) {
	tooOld := (*history.TooOldError)(nil)
	if !errors.As(err, &tooOld) {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusGone)
	_ = json.NewEncoder(w).Encode(Problem{Error: err.Error(), Oldest: &tooOld.Oldest})
}

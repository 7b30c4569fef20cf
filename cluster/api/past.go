package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"workbench/cluster/history"
)

// keyframeBytes is the header that says how much of a window's answer is the
// world that it begins with; lines of events follow.
const keyframeBytes = "Keyframe-Bytes"

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
		world := win.Keyframe
		if r.URL.Query().Get("shape") != history.Shape() {
			// A client of another build, or one that is no client of ours, reads JSON.
			if world, err = win.JSON(); err != nil {
				refuse(w, http.StatusInternalServerError, err)
				return
			}
			world = append(bytes.TrimSpace(world), '\n')
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set(keyframeBytes, strconv.Itoa(len(world)))
		if _, err := w.Write(world); err != nil {
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

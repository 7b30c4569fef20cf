package watch

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"

	"workbench/cluster/event"
)

// health sums up the streams of all kinds: the source is lost when one of them
// breaks, and back when all are complete again.
type health struct {
	emit func(event.Body)
	log  *slog.Logger

	mu        sync.Mutex
	waiting   map[string]bool // kinds that are not complete
	announced bool            // whether anything was said yet
	ok        bool            // what was said last
}

func newHealth(all []kind, emit func(event.Body), log *slog.Logger) *health {
	h := &health{emit: emit, log: log, waiting: map[string]bool{}}
	for _, k := range all {
		h.waiting[k.name] = true
	}
	return h
}

// lost notes that a kind is not watched now, unless that is because ctx ended.
func (h *health) lost(ctx context.Context, kind, detail string) {
	if ctx.Err() != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting[kind] = true
	if h.announced && !h.ok {
		return
	}
	h.announced, h.ok = true, false
	h.log.Warn("lost the API watch", "component", Source, "detail", detail)
	h.emit(event.SourceState{Source: Source, Detail: detail})
}

// back notes that a kind is watched and complete.
func (h *health) back(kind string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting, kind)
	if len(h.waiting) > 0 || h.ok {
		return
	}
	h.announced, h.ok = true, true
	h.log.Info("watching the API", "component", Source)
	h.emit(event.SourceState{Source: Source, OK: true})
}

// reason leaves out the URL, which says more about us than about the failure.
func reason(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return err.Error()
}

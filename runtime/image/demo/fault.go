package main

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Bounds of what one request may ask for.
const (
	maxBurnSeconds = 600
	maxBurnCores   = 64
	maxLeakBytes   = 4 << 30
	maxSlowMillis  = 60_000
	maxExitCode    = 255
)

// parameterError says which query parameter is wrong and what it may be.
type parameterError struct {
	name, value string
	low, high   int64
}

func (e *parameterError) Error() string {
	return fmt.Sprintf("parameter %s=%q: want a whole number from %d to %d", e.name, e.value, e.low, e.high)
}

// number reads a whole number from the query, or the default if it is absent.
func number(r *http.Request, name string, standard, low, high int64) (int64, error) {
	text := r.FormValue(name)
	if text == "" {
		return standard, nil
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || value < low || value > high {
		return 0, &parameterError{name, text, low, high}
	}
	return value, nil
}

// burner counts the cores kept busy by all requests together.
type burner struct{ cores atomic.Int64 }

// burn answers at once; the cores stay busy in the background.
func (a *app) burn(w http.ResponseWriter, r *http.Request) {
	seconds, err := number(r, "seconds", 10, 1, maxBurnSeconds)
	if err != nil {
		a.refuse(w, err)
		return
	}
	cores, err := number(r, "cores", 1, 1, maxBurnCores)
	if err != nil {
		a.refuse(w, err)
		return
	}
	if a.burner.cores.Add(cores) > maxBurnCores {
		a.burner.cores.Add(-cores)
		a.refuse(w, fmt.Errorf("burn %d cores: more than %d would be busy at once; wait for earlier requests to end", cores, maxBurnCores))
		return
	}
	until := time.Now().Add(time.Duration(seconds) * time.Second)
	for range cores {
		go func() { // ends by itself: until is at most maxBurnSeconds away
			defer a.burner.cores.Add(-1)
			for time.Now().Before(until) {
			}
		}()
	}
	a.log.Info("burn", "cores", cores, "seconds", seconds)
	a.answer(w, http.StatusAccepted, map[string]int64{"cores": cores, "seconds": seconds})
}

// leaker holds the leaked memory. It is mapped outside the Go heap, so that the
// collector does not slow the program down as the container's limit comes near.
type leaker struct {
	lock sync.Mutex
	held [][]byte
	sum  int64
}

func (l *leaker) take(size int64) (int64, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	memory, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return l.sum, fmt.Errorf("leak %d bytes: %w", size, err)
	}
	for at := 0; at < len(memory); at += 4096 {
		memory[at] = 1 // only a page that was written counts
	}
	l.held = append(l.held, memory)
	l.sum += size
	return l.sum, nil
}

func (a *app) leak(w http.ResponseWriter, r *http.Request) {
	size, err := number(r, "bytes", 1<<20, 1, maxLeakBytes)
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.log.Info("leak", "bytes", size)
	total, err := a.leaker.take(size)
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.answer(w, http.StatusOK, map[string]int64{"bytes": size, "total": total})
}

func (a *app) slow(w http.ResponseWriter, r *http.Request) {
	millis, err := number(r, "ms", 1000, 0, maxSlowMillis)
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.log.Info("slow", "ms", millis)
	timer := time.NewTimer(time.Duration(millis) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		fmt.Fprintf(w, "pod=%s waited %d ms\n", a.identity.Pod, millis)
	case <-r.Context().Done(): // the client gave up
	}
}

// crash answers, so that the client sees that it was heard, and ends the program.
func (a *app) crash(w http.ResponseWriter, r *http.Request) {
	code, err := number(r, "code", 1, 0, maxExitCode)
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.log.Error("crash", "code", code)
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, "pod=%s exits with code %d\n", a.identity.Pod, code)
	if err := http.NewResponseController(w).Flush(); err != nil {
		a.log.Warn("answer not sent", "error", err)
	}
	select {
	case a.crashed <- int(code):
	default: // already on the way
	}
}

package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"workbench/cluster/api"
)

// script keeps the run of a lab.
type script struct {
	*lab
	mu    sync.Mutex
	held  string
	stop  chan string
	ended chan string
}

func (s *script) Hold(r api.RunRequest) (<-chan string, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != "" {
		return nil, nil, errors.New(s.held + " runs already")
	}
	s.held = r.Run
	return s.stop, func() {
		s.mu.Lock()
		s.held = ""
		s.mu.Unlock()
		s.ended <- r.Run
	}, nil
}

func (s *script) StopRun(r api.StopRequest) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == "" {
		return "", errors.New("nothing runs")
	}
	s.stop <- r.Owner
	return s.held, nil
}

func serveScript(t *testing.T, s *script) *api.Client {
	t.Helper()
	at := socket(t)
	listener, err := api.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: api.Handler(s, nil)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return api.NewClient(at)
}

// TestARunLivesAsLongAsItsConnection holds a run, stops it, and lets go of it.
func TestARunLivesAsLongAsItsConnection(t *testing.T) {
	s := &script{stop: make(chan string, 1), ended: make(chan string, 1)}
	client := serveScript(t, s)
	if _, err := client.StopRun(t.Context(), api.StopRequest{}); err == nil || !strings.Contains(err.Error(), "nothing runs") {
		t.Errorf("to stop nothing: %v", err)
	}
	held, release, err := client.Hold(t.Context(), api.RunRequest{Run: "first"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.Hold(t.Context(), api.RunRequest{Run: "second"}); err == nil || !strings.Contains(err.Error(), "first runs already") {
		t.Errorf("a second run: %v", err)
	}
	if held.Err() != nil {
		t.Error("the run is over before anybody asked")
	}
	if run, err := client.StopRun(t.Context(), api.StopRequest{Owner: "ada"}); run != "first" || err != nil {
		t.Errorf("stopped %q, %v", run, err)
	}
	<-held.Done()
	var stopped *api.Stopped
	if !errors.As(context.Cause(held), &stopped) || stopped.By != "ada" {
		t.Errorf("it ended by %v", context.Cause(held))
	}
	select {
	case run := <-s.ended:
		t.Errorf("%s is over, and who ran it has not mended yet", run)
	default:
	}
	release()
	if run := <-s.ended; run != "first" {
		t.Errorf("%q ended", run)
	}
	// A process that is killed closes its connections.
	ctx, kill := context.WithCancel(t.Context())
	_, release, err = client.Hold(ctx, api.RunRequest{Run: "third"})
	if err != nil {
		t.Fatal(err)
	}
	kill() // an interrupt alone does not end the run: it has to mend
	release()
	if run := <-s.ended; run != "third" {
		t.Errorf("%q ended", run)
	}
}

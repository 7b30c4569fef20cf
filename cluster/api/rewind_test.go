package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/history"
)

func TestRewind(t *testing.T) {
	l, client := serve(t, socket(t))
	l.clock = time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	began := l.clock.Add(time.Second)
	l.emit(event.LabTopology{Name: "mine", Nodes: []event.TopologyNode{{Name: "w1"}}})
	for pid := range 100 {
		l.emit(event.NodeState{Node: "w1", State: event.NodeRunning, PID: pid + 2}) // its event's number
	}
	for _, at := range []history.Instant{{Seq: 57}, {Time: began.Add(56 * time.Second)}, {Time: began.Add(56*time.Second + time.Millisecond)}} {
		w, err := client.At(t.Context(), at)
		if err != nil || w.Seq != 57 || w.Nodes["w1"].PID != 57 {
			t.Fatalf("at %s: %+v, %v", at, w, err)
		}
		win, err := client.Window(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		base, err := win.Base()
		if err != nil || base.Seq > 57 || base.Seq+uint64(win.Reach(at)) != 57 || len(win.Events) == 0 {
			t.Fatalf("window at %s begins at %d and has %d events, %d to fold, %v", at, base.Seq, len(win.Events), win.Reach(at), err)
		}
	}
	if oldest, err := client.Oldest(t.Context()); err != nil || oldest.Seq > 1 {
		t.Errorf("oldest %+v, %v", oldest, err)
	}
}

func TestRangesOfEvents(t *testing.T) {
	l, client := serve(t, socket(t))
	for range 50 {
		l.emit(event.LabPhase{Phase: event.Running})
	}
	var got []uint64
	if err := client.Range(t.Context(), 10, 5, func(events []event.Event) {
		for _, e := range events {
			got = append(got, e.Seq)
		}
	}); err != nil || len(got) != 5 || got[0] != 11 || got[4] != 15 {
		t.Errorf("events %v, %v", got, err)
	}
}

func TestMalformedInstantsAreRefused(t *testing.T) {
	l, _ := serve(t, socket(t))
	handler := api.Handler(l, l.past)
	for _, path := range []string{"/v1/world?at=noon", "/v1/window", "/v1/window?at=-1", "/v1/events?limit=x"} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), "error") {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
}

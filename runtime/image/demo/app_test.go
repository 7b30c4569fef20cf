package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func serve(t *testing.T, a *app, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest(method, target, nil)
	for at := 0; at < len(header); at += 2 {
		request.Header.Set(header[at], header[at+1])
	}
	recorder := httptest.NewRecorder()
	a.handler().ServeHTTP(recorder, request)
	return recorder
}

func testApp() *app {
	return newApp(identity{Pod: "web-1", Node: "w1", Version: "2"}, slog.New(slog.DiscardHandler))
}

func TestRootAnswersPlainAndJSON(t *testing.T) {
	a := testApp()
	if got, want := serve(t, a, "GET", "/").Body.String(), "pod=web-1 node=w1 version=2 requests=1\n"; got != want {
		t.Errorf("plain answer %q, want %q", got, want)
	}
	var answer map[string]any
	if err := json.Unmarshal(serve(t, a, "GET", "/", "Accept", "application/json").Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if answer["pod"] != "web-1" || answer["node"] != "w1" || answer["version"] != "2" || answer["requests"] != 2.0 {
		t.Errorf("JSON answer %v", answer)
	}
	if code := serve(t, a, "GET", "/nothing").Code; code != http.StatusNotFound {
		t.Errorf("unknown path: %d", code)
	}
}

func TestIdentityFallsBackToHostName(t *testing.T) {
	host := func() (string, error) { return "web-7", nil }
	got, err := identify(func(string) string { return "" }, host)
	if err != nil {
		t.Fatal(err)
	}
	if want := (identity{Pod: "web-7", Node: "unknown", Version: "dev"}); got != want {
		t.Errorf("identity %+v, want %+v", got, want)
	}
	if _, err := identify(func(string) string { return "" }, func() (string, error) { return "", errors.New("no name") }); err == nil {
		t.Error("want an error without any name")
	}
}

func TestProbesSwitch(t *testing.T) {
	for _, path := range []string{"/healthz", "/readyz"} {
		a := testApp()
		for _, step := range []struct {
			method, path string
			want         int
		}{
			{"GET", path, 200}, {"GET", path + "/off", 405}, {"POST", path + "/off", 200},
			{"GET", path, 503}, {"POST", path + "/on", 200}, {"GET", path, 200},
		} {
			if code := serve(t, a, step.method, step.path).Code; code != step.want {
				t.Errorf("%s %s: %d, want %d", step.method, step.path, code, step.want)
			}
		}
	}
}

func TestParametersAreBounded(t *testing.T) {
	a := testApp()
	for _, target := range []string{
		"/burn?seconds=0", "/burn?cores=65", "/burn?seconds=x", "/leak?bytes=-1", "/leak?bytes=9999999999999",
		"/slow?ms=60001", "/crash?code=256",
	} {
		response := serve(t, a, "GET", target)
		if response.Code != http.StatusBadRequest || !strings.Contains(response.Body.String(), "want a whole number from") {
			t.Errorf("%s: %d %s", target, response.Code, response.Body)
		}
	}
	if len(a.crashed) != 0 || a.burner.cores.Load() != 0 || a.leaker.sum != 0 {
		t.Error("a refused request had an effect")
	}
}

func TestFaults(t *testing.T) {
	a := testApp()
	if code := serve(t, a, "GET", "/burn?seconds=1&cores=64").Code; code != http.StatusAccepted {
		t.Errorf("burn: %d", code)
	}
	if code := serve(t, a, "GET", "/burn?seconds=1").Code; code != http.StatusServiceUnavailable {
		t.Errorf("burn above the bound: %d", code)
	}
	serve(t, a, "GET", "/leak?bytes=5000")
	if body := serve(t, a, "GET", "/leak?bytes=5000").Body.String(); !strings.Contains(body, `"total":10000`) {
		t.Errorf("leak: %s", body)
	}
	start := time.Now()
	if code := serve(t, a, "GET", "/slow?ms=30").Code; code != 200 || time.Since(start) < 30*time.Millisecond {
		t.Errorf("slow: %d after %v", code, time.Since(start))
	}
	if code := serve(t, a, "POST", "/crash?code=7").Code; code != http.StatusAccepted {
		t.Errorf("crash: %d", code)
	}
	if code := <-a.crashed; code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
}

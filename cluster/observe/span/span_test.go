package span

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"workbench/cluster/event"
)

func sink() (*Sink, chan event.TraceSpans) {
	got := make(chan event.TraceSpans, 16)
	return &Sink{Node: "c1", Component: "etcd", Emit: func(_ time.Time, b event.Body) { got <- b.(event.TraceSpans) }}, got
}

// TestServeReceivesWhatAnExporterSends sends with the exporter that upstream's
// components have.
func TestServeReceivesWhatAnExporterSends(t *testing.T) {
	s, got := sink()
	socket := filepath.Join(t.TempDir(), "otlp", "etcd.sock")
	for range 2 { // the second finds the socket of a process that was killed
		if err := Serve(s, socket); err != nil {
			t.Fatal(err)
		}
	}
	exporter, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithInsecure(), otlptracegrpc.WithEndpoint("unix://"+socket))
	if err != nil {
		t.Fatal(err)
	}
	p := sdk.NewTracerProvider(sdk.WithSyncer(exporter))
	ctx, parent := p.Tracer("").Start(t.Context(), "Txn", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String(event.SpanAuditID, "a1"), attribute.String("http.target", "/api/v1/pods?token=secret"), attribute.String("body", "secret"), attribute.Int("http.status_code", 201)))
	_, child := p.Tracer("").Start(ctx, "apply\n")
	child.SetStatus(codes.Error, "")
	child.End()
	parent.End()
	if err := p.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	var spans []event.TraceSpan
	for len(spans) < 2 {
		e := <-got
		if e.Node != "c1" || e.Component != "etcd" {
			t.Fatalf("told as of %s/%s", e.Node, e.Component)
		}
		spans = append(spans, e.Spans...)
	}
	of := parent.SpanContext()
	want := []event.TraceSpan{
		{Trace: of.TraceID().String(), ID: child.SpanContext().SpanID().String(), Parent: of.SpanID().String(), Name: "apply ", Error: "error"},
		{Trace: of.TraceID().String(), ID: of.SpanID().String(), Name: "Txn", Kind: "server", Attrs: map[string]string{
			event.SpanAuditID: "a1", "path": "/api/v1/pods", "code": "201",
		}},
	}
	for i := range spans {
		if spans[i].Start.IsZero() || spans[i].Took <= 0 {
			t.Errorf("%s has no time: %+v", spans[i].Name, spans[i])
		}
		spans[i].Start, spans[i].Took = time.Time{}, 0
	}
	if diff := cmp.Diff(want, spans); diff != "" {
		t.Errorf("told spans (-want +got):\n%s", diff)
	}
}

// TestSinkIsBounded floods a sink.
func TestSinkIsBounded(t *testing.T) {
	s, got := sink()
	p, err := Provider(s, sdk.AlwaysSample())
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.armed = true // the flush is the test's
	s.mu.Unlock()
	for range maxSpans + 7 {
		_, one := p.Tracer("").Start(t.Context(), "x")
		one.End()
	}
	go s.flush()
	told, dropped := 0, 0
	for told < maxSpans {
		e := <-got
		if len(e.Spans) > maxEvent {
			t.Fatalf("%d spans in an event", len(e.Spans))
		}
		told, dropped = told+len(e.Spans), dropped+e.Dropped
	}
	if told != maxSpans || dropped != 7 {
		t.Errorf("told %d, dropped %d", told, dropped)
	}
}

// TestSwitchSamplesWhileTheFileSaysSo asks for roots and for parts of others'
// traces.
func TestSwitchSamplesWhileTheFileSaysSo(t *testing.T) {
	s, _ := sink()
	file := filepath.Join(t.TempDir(), "tracing")
	p, err := Provider(s, Switch{File: file, Names: []string{"syncPod"}})
	if err != nil {
		t.Fatal(err)
	}
	write := func(until time.Time) {
		if err := os.WriteFile(file, []byte(until.Format(time.RFC3339)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sampled := func(ctx context.Context, name string) bool {
		_, one := p.Tracer("").Start(ctx, name)
		defer one.End()
		return one.SpanContext().IsSampled()
	}
	if sampled(t.Context(), "syncPod") {
		t.Error("sampled without a file")
	}
	write(time.Now().Add(-time.Hour))
	if sampled(t.Context(), "syncPod") {
		t.Error("sampled after the time is over")
	}
	write(time.Now().Add(time.Hour))
	if !sampled(t.Context(), "syncPod") {
		t.Error("not sampled while the file says so")
	}
	if sampled(t.Context(), "ListContainers") {
		t.Error("sampled another name")
	}
	remote := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled}))
	if !sampled(remote, "ListContainers") {
		t.Error("a part of a sampled trace is not sampled")
	}
}

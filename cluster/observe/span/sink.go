// Package span takes the OTLP spans of one component and tells them as events.
//
//	kube-apiserver, etcd: upstream's exporter -> Serve (OTLP/gRPC on a Unix socket of the node) \
//	kubelet, containerd:  a provider of ours -> exporter in the same process                     > Sink -> tap.Pipe
//
// Without a sampled request nothing is recorded, sent or told: samplers follow
// the parent, and the kubelet's, whose work for pods has none, follows a Switch.
package span

import (
	"context"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"workbench/cluster/event"
)

// Bounds of what is told. A line of events must stay below 150 kB.
const (
	gather   = 200 * time.Millisecond // how long spans are gathered for one event
	maxSpans = 1000                   // gathered at most
	maxEvent = 100                    // spans in one event
	maxText  = 160                    // bytes of a name, an error or an attribute
)

// Sink gathers the spans of one component.
type Sink struct {
	Node, Component string
	Emit            func(time.Time, event.Body)

	mu      sync.Mutex
	spans   []event.TraceSpan
	dropped int
	armed   bool
}

// Take takes spans as OTLP has them; it never blocks.
func (s *Sink) Take(all []*tracepb.ResourceSpans) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range all {
		for _, scope := range r.GetScopeSpans() {
			for _, one := range scope.GetSpans() {
				if len(s.spans) >= maxSpans {
					s.dropped++
					continue
				}
				s.spans = append(s.spans, told(one))
			}
		}
	}
	if len(s.spans) > 0 && !s.armed {
		s.armed = true
		time.AfterFunc(gather, s.flush) // ends by itself
	}
}

func (s *Sink) flush() {
	s.mu.Lock()
	spans, dropped := s.spans, s.dropped
	s.spans, s.dropped, s.armed = nil, 0, false
	s.mu.Unlock()
	for len(spans) > 0 {
		n := min(len(spans), maxEvent)
		s.Emit(time.Now(), event.TraceSpans{Node: s.Node, Component: s.Component, Spans: spans[:n:n], Dropped: dropped})
		spans, dropped = spans[n:], 0
	}
}

// told is a span without what nobody needs or nobody should see.
func told(s *tracepb.Span) event.TraceSpan {
	out := event.TraceSpan{
		Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
		Name: cut(s.GetName()), Start: time.Unix(0, int64(s.GetStartTimeUnixNano())).UTC(),
		Took: time.Duration(s.GetEndTimeUnixNano() - s.GetStartTimeUnixNano()),
	}
	switch s.GetKind() {
	case tracepb.Span_SPAN_KIND_SERVER:
		out.Kind = "server"
	case tracepb.Span_SPAN_KIND_CLIENT:
		out.Kind = "client"
	}
	if s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
		if out.Error = cut(s.GetStatus().GetMessage()); out.Error == "" {
			out.Error = "error"
		}
	}
	for _, kv := range s.GetAttributes() {
		name, path := named(kv.GetKey())
		if name == "" {
			continue
		}
		text := cut(textOf(kv.GetValue()))
		if path {
			text = withoutQuery(text)
		}
		if text != "" {
			if out.Attrs == nil {
				out.Attrs = map[string]string{}
			}
			out.Attrs[name] = text
		}
	}
	return out
}

// named is what an attribute that is told is called; "" for all others, of which
// nobody knows what is in them. Path says that it is a URL, whose query is left out.
func named(key string) (name string, path bool) {
	switch key {
	case event.SpanAuditID, event.SpanPodUID, event.SpanPod, "k8s.namespace.name", "k8s.pod.update_type":
		return key, false
	case "http.target", "url.path":
		return "path", true
	case "http.response.status_code", "http.status_code":
		return "code", false
	case "rpc.grpc.status_code", "rpc.response.status_code":
		return "grpc", false
	case "container.id", "sandbox.id", "image.ref", "container.image.name":
		return key, false
	case "range_begin", "key":
		return "key", false
	}
	return "", false
}

func textOf(v *commonpb.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	}
	return ""
}

func withoutQuery(target string) string {
	if u, err := url.ParseRequestURI(target); err == nil {
		return u.Path
	}
	before, _, _ := strings.Cut(target, "?")
	return before
}

// cut bounds a text and makes it one line.
func cut(text string) string {
	text = event.OneLine(strings.ToValidUTF8(text, "?"))
	if len(text) > maxText {
		return strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}

// client is an exporter's way to a sink in the same process.
type client struct{ sink *Sink }

func (client) Start(context.Context) error { return nil }
func (client) Stop(context.Context) error  { return nil }

// UploadTraces implements otlptrace.Client.
func (c client) UploadTraces(_ context.Context, spans []*tracepb.ResourceSpans) error {
	c.sink.Take(spans)
	return nil
}

// Provider records spans that the sampler wants and hands each to the sink as it
// ends. It has no goroutine and no timer, so that it costs nothing at rest.
func Provider(sink *Sink, sampler sdk.Sampler) (*sdk.TracerProvider, error) {
	exporter, err := otlptrace.New(context.Background(), client{sink})
	if err != nil {
		return nil, err
	}
	return sdk.NewTracerProvider(sdk.WithSyncer(exporter), sdk.WithSampler(sdk.ParentBased(sampler))), nil
}

package span

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
)

// Serve receives OTLP/gRPC for a sink on a Unix socket, node.SpanSocket, in the component's own
// process and as long as that lives. Nobody connects to it before the first span.
func Serve(sink *Sink, socket string) error {
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		return fmt.Errorf("receive spans: %w", err)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("receive spans: %w", err) // of a process that was killed
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("receive spans: %w", err)
	}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, receiver{sink: sink})
	go func() { _ = server.Serve(listener) }() // ends with the process
	return nil
}

// receiver is OTLP's collector.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	sink *Sink
}

// Export implements collector.TraceServiceServer.
func (r receiver) Export(_ context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.sink.Take(req.GetResourceSpans())
	return &collector.ExportTraceServiceResponse{}, nil
}

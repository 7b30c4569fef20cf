package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Dial connects to a literal IP address and port from somewhere in the lab.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// until connects; what is done with the connection fails when ctx ends. Its end
// closes it.
func (d Dial) until(ctx context.Context, network, address string) (conn net.Conn, end func(), err error) {
	if conn, err = d(ctx, network, address); err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() {
		stop()
		_ = conn.Close()
	}, nil
}

// Ask is an HTTP request to a Service.
type Ask struct {
	URL url.URL // with the cluster IP as the host
	// TLS is how to verify the server; nil when the request is not encrypted.
	TLS *tls.Config
}

// Service is the target of a Service as a pod on a node reaches it: each request
// is a connection of its own, so that kube-proxy's rules choose the endpoint each
// time. Any answer below 500 counts. The request is looked up each time; look
// returns false when there is none to make.
func Service(node string, look func() (Ask, Dial, bool)) Target {
	return Target{Name: ServicePrefix + node, Try: func(ctx context.Context) error {
		ask, dial, ok := look()
		if !ok {
			return ErrIdle
		}
		return ask.from(ctx, dial)
	}}
}

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 64 << 10

// from makes the request over a connection that it dials and closes.
func (a Ask) from(ctx context.Context, dial Dial) error {
	conn, end, err := dial.until(ctx, "tcp", a.URL.Host)
	if err != nil {
		return err
	}
	defer end()
	if a.TLS != nil {
		conn = tls.Client(conn, a.TLS)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "workbench-probe")
	req.Close = true
	if err := req.Write(conn); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 1<<10), req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return nil
}

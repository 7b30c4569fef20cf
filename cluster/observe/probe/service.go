package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"workbench/cluster/event"
)

// Dial connects to a literal IP address and port from somewhere in the lab.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

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

func (a Ask) from(ctx context.Context, dial Dial) error {
	transport := &http.Transport{DialContext: dial, TLSClientConfig: a.TLS, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "workbench-probe")
	resp, err := transport.RoundTrip(req)
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

// DNS is the target of the cluster's name service as a pod on a node asks it for
// the address of the API. The server's address is looked up each time.
func DNS(node, domain string, look func() (server string, dial Dial, ok bool)) Target {
	return Target{Name: DNSPrefix + node, Try: func(ctx context.Context) error {
		server, dial, ok := look()
		if !ok {
			return ErrIdle
		}
		resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial(ctx, network, server)
		}}
		_, err := resolver.LookupHost(ctx, event.DNSPulse+".default.svc."+domain+".")
		return err
	}}
}

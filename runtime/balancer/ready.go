package balancer

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// Unready says that a backend answered, and does not serve now.
type Unready struct{ Status string }

func (e Unready) Error() string { return "not ready: " + e.Status }

// Silent says that a backend took the connection and did not answer in time: it
// is frozen, cut off, or just slow.
type Silent struct{ Cause error }

func (e Silent) Error() string { return "no answer: " + e.Cause.Error() }

func (e Silent) Unwrap() error { return e.Cause }

// Unreached says that no connection came about in time: the backend or its node is
// gone or cut off, or the machine is too busy to connect.
type Unreached struct{ Cause error }

func (e Unreached) Error() string { return "not reached: " + e.Cause.Error() }

func (e Unreached) Unwrap() error { return e.Cause }

// Ready is a check that asks a kube-apiserver for /readyz, which includes its
// etcd member: one that is frozen, or cut off from its quorum, still accepts
// connections but serves nobody.
func Ready(dial Dial) func(ctx context.Context, backend string) error {
	client := &http.Client{Transport: &http.Transport{
		DialContext: dial,
		// Health is no secret and decides only where connections go; clients
		// authenticate the server end to end themselves.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec
	}}
	return func(ctx context.Context, backend string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+backend+"/readyz", nil)
		if err != nil {
			return err
		}
		var connected atomic.Bool
		req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			TLSHandshakeStart: func() { connected.Store(true) },
			GotConn:           func(httptrace.GotConnInfo) { connected.Store(true) },
		}))
		resp, err := client.Do(req)
		if err != nil {
			client.CloseIdleConnections() // the next check must not wait on a dead one
			switch {
			case ctx.Err() == nil:
				return err
			case connected.Load():
				return Silent{err}
			}
			return Unreached{err}
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return Unready{resp.Status}
		}
		return nil
	}
}

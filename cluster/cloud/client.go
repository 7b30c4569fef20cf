package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Client of a cloud. While nobody answers on its socket it tries again for a
// while: the supervisor may be starting.
type Client struct {
	http *http.Client
	// patience is how long to try, and pause the time between attempts.
	patience, pause time.Duration
}

// How long a client waits for a cloud that does not answer, and asks again.
const (
	clientPatience = 5 * time.Second
	clientPause    = 200 * time.Millisecond
	clientTimeout  = 10 * time.Second
)

// NewClient is a client of the cloud behind a Unix socket.
func NewClient(socket string) *Client {
	return &Client{patience: clientPatience, pause: clientPause, http: &http.Client{
		Timeout: clientTimeout,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", socket)
			},
			DisableKeepAlives: true, // it is asked now and then
		},
	}}
}

// Instance of that name; ErrNotFound when there is none.
func (c *Client) Instance(ctx context.Context, name string) (Instance, error) {
	var i Instance
	err := c.do(ctx, http.MethodGet, "/v1/instances/"+url.PathEscape(name), nil, &i)
	return i, err
}

// Routes are all that the cloud has.
func (c *Client) Routes(ctx context.Context) ([]Route, error) {
	var routes []Route
	err := c.do(ctx, http.MethodGet, "/v1/routes", nil, &routes)
	return routes, err
}

// SetRoute makes a route.
func (c *Client) SetRoute(ctx context.Context, r Route) error {
	return c.do(ctx, http.MethodPut, "/v1/routes", r, nil)
}

// RemoveRoute removes a route; it need not exist.
func (c *Client) RemoveRoute(ctx context.Context, cidr netip.Prefix) error {
	return c.do(ctx, http.MethodDelete, "/v1/routes?cidr="+url.QueryEscape(cidr.String()), nil, nil)
}

// Balancer with that ID; ErrNotFound when there is none.
func (c *Client) Balancer(ctx context.Context, id string) (Balancer, error) {
	var b Balancer
	err := c.do(ctx, http.MethodGet, "/v1/balancers/"+url.PathEscape(id), nil, &b)
	return b, err
}

// SetBalancer makes or changes a load balancer; the answer has its address.
func (c *Client) SetBalancer(ctx context.Context, w Want) (Balancer, error) {
	var b Balancer
	err := c.do(ctx, http.MethodPut, "/v1/balancers/"+url.PathEscape(w.ID), w, &b)
	return b, err
}

// RemoveBalancer removes a load balancer; it need not exist.
func (c *Client) RemoveBalancer(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/v1/balancers/"+url.PathEscape(id), nil, nil)
}

func (c *Client) do(ctx context.Context, method, path string, body, into any) error {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return err
		}
	}
	for until := time.Now().Add(c.patience); ; {
		err := c.once(ctx, method, path, payload, into)
		if !absent(err) || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(c.pause):
		}
	}
}

// absent says that nobody serves the socket: the request was not sent.
func absent(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

func (c *Client) once(ctx context.Context, method, path string, payload []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://cloud"+path, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the cloud: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		if into == nil {
			return nil
		}
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			return fmt.Errorf("read the cloud's answer: %w", err)
		}
		return nil
	}
	var p Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&p); err != nil || p.Error == "" {
		return fmt.Errorf("ask the cloud: status %s", resp.Status)
	}
	return &refusal{p.Error, resp.StatusCode}
}

// refusal is a Problem as an error.
type refusal struct {
	text string
	code int
}

// Error implements error.
func (r *refusal) Error() string { return "the cloud says: " + r.text }

// Is makes a refusal the error that the cloud refused with.
func (r *refusal) Is(target error) bool {
	return r.code == http.StatusNotFound && target == ErrNotFound || r.code == http.StatusConflict && target == ErrConflict
}

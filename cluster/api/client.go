package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// ErrNotRunning says that no supervisor answers on the socket.
var ErrNotRunning = errors.New("the lab is not running; start it with: workbench up")

// Client speaks to one supervisor. It is safe for concurrent use.
type Client struct {
	http *http.Client
}

// NewClient is a client of the supervisor behind a socket; it connects with
// each call.
func NewClient(socket string) *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := dial(ctx, socket)
			if err != nil {
				return nil, fmt.Errorf("%w (%w)", ErrNotRunning, err)
			}
			return conn, nil
		},
		DisableKeepAlives: true,
	}}}
}

func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, payload)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, ErrNotRunning) {
			return nil, ErrNotRunning
		}
		return nil, fmt.Errorf("ask the supervisor: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var p Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&p); err != nil || p.Error == "" {
		return nil, fmt.Errorf("ask the supervisor: status %s", resp.Status)
	}
	if len(p.Danger) > 0 {
		return nil, &Danger{Text: p.Text, Reasons: p.Danger}
	}
	return nil, refusal{p}
}

// World is the state of the lab now.
func (c *Client) World(ctx context.Context) (*state.World, error) {
	resp, err := c.do(ctx, http.MethodGet, "/v1/world", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	w := state.New()
	if err := json.NewDecoder(resp.Body).Decode(w); err != nil {
		return nil, fmt.Errorf("read the lab's state: %w", err)
	}
	return w, nil
}

// Ping returns nil when the supervisor answers. A world costs more, the more has
// happened in the lab.
func (c *Client) Ping(ctx context.Context) error {
	return c.Range(ctx, 0, 0, func([]event.Event) {})
}

// Follow calls emit with every event after a sequence number, in order, until
// ctx ends or the supervisor does. Batches are as large as what has arrived.
func (c *Client) Follow(ctx context.Context, after uint64, emit func([]event.Event)) error {
	return c.events(ctx, after, "&follow=1", emit)
}

// FollowPaced is Follow, but what is routine (event.Routine) comes at most once in
// a lull; anything else comes at once, and all in order.
func (c *Client) FollowPaced(ctx context.Context, after uint64, lull time.Duration, emit func([]event.Event)) error {
	return c.events(ctx, after, "&follow=1&lull="+lull.String(), emit)
}

// Events calls emit with the events after a sequence number that exist now.
func (c *Client) Events(ctx context.Context, after uint64, emit func([]event.Event)) error {
	return c.events(ctx, after, "", emit)
}

// Range calls emit with at most limit of the events after a sequence number.
func (c *Client) Range(ctx context.Context, after, limit uint64, emit func([]event.Event)) error {
	return c.events(ctx, after, "&limit="+strconv.FormatUint(limit, 10), emit)
}

func (c *Client) events(ctx context.Context, after uint64, how string, emit func([]event.Event)) error {
	follow := strings.HasPrefix(how, "&follow")
	path := "/v1/events?after=" + strconv.FormatUint(after, 10) + how
	resp, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	r := bufio.NewReaderSize(resp.Body, 256<<10)
	var batch []event.Event
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 && err == nil {
			var e event.Event
			if err := json.Unmarshal(line, &e); err != nil {
				return fmt.Errorf("read events: %w", err)
			}
			batch = append(batch, e)
		}
		if len(batch) > 0 && (err != nil || r.Buffered() == 0 || len(batch) >= 1024) {
			emit(batch)
			batch = nil
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && !follow:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		default:
			return fmt.Errorf("follow events: the supervisor is gone: %w", err)
		}
	}
}

// Act asks for an action and returns why it was refused or failed.
func (c *Client) Act(ctx context.Context, r Request) error {
	resp, err := c.do(ctx, http.MethodPost, "/v1/act", r)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Down asks the supervisor to shut the lab down.
func (c *Client) Down(ctx context.Context) error {
	resp, err := c.do(ctx, http.MethodPost, "/v1/down", nil)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

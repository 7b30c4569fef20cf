package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/state"
)

// At is the state of the lab at an instant; a *history.TooOldError says that it
// is no longer kept.
func (c *Client) At(ctx context.Context, at history.Instant) (*state.World, error) {
	resp, err := c.do(ctx, http.MethodGet, "/v1/world?at="+url.QueryEscape(at.String()), nil)
	if err != nil {
		return nil, tooOld(at, err)
	}
	defer resp.Body.Close()
	w := state.New()
	if err := json.NewDecoder(resp.Body).Decode(w); err != nil {
		return nil, fmt.Errorf("read the lab's state at %s: %w", at, err)
	}
	return w, nil
}

// Window is the stretch of the lab's past that an instant is in; errors as of At.
func (c *Client) Window(ctx context.Context, at history.Instant) (history.Window, error) {
	resp, err := c.do(ctx, http.MethodGet, "/v1/window?shape="+history.Shape()+"&at="+url.QueryEscape(at.String()), nil)
	if err != nil {
		return history.Window{}, tooOld(at, err)
	}
	defer resp.Body.Close()
	r := bufio.NewReaderSize(resp.Body, 256<<10)
	var win history.Window
	if win.Keyframe, err = readKeyframe(r, resp.Header.Get(keyframeBytes)); err != nil {
		return win, fmt.Errorf("read the lab's past at %s: %w", at, err)
	}
	for {
		line, err := r.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return win, nil
		case err != nil:
			return win, fmt.Errorf("read the lab's past at %s: %w", at, err)
		}
		var e event.Event
		if err := e.UnmarshalJSON(line); err != nil {
			return win, fmt.Errorf("read the lab's past at %s: %w", at, err)
		}
		win.Events = append(win.Events, e)
	}
}

// readKeyframe reads the world that a window begins with, of a length that may
// not be told: then it is a line.
func readKeyframe(r *bufio.Reader, length string) ([]byte, error) {
	if length == "" {
		return r.ReadBytes('\n')
	}
	n, err := strconv.ParseUint(length, 10, 28) // at most 256 MiB
	if err != nil {
		return nil, fmt.Errorf("length of the world: %w", err)
	}
	world := make([]byte, n)
	_, err = io.ReadFull(r, world)
	return world, err
}

// Oldest is the oldest instant of the lab that can be shown.
func (c *Client) Oldest(ctx context.Context) (history.Instant, error) {
	var oldest history.Instant
	resp, err := c.do(ctx, http.MethodGet, "/v1/oldest", nil)
	if err != nil {
		return oldest, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&oldest); err != nil {
		return oldest, fmt.Errorf("read where the lab's past begins: %w", err)
	}
	return oldest, nil
}

// refusal is a Problem as an error.
type refusal struct{ Problem }

func (r refusal) Error() string { return r.Problem.Error }

// tooOld is the error of an instant that is no longer kept.
func tooOld(at history.Instant, err error) error {
	if r := (refusal{}); errors.As(err, &r) && r.Oldest != nil {
		return &history.TooOldError{Wanted: at, Oldest: *r.Oldest}
	}
	return err
}

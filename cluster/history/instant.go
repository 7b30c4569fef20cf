package history

import (
	"fmt"
	"strconv"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// Instant is a point of the log: after event Seq or, where that is 0, after the
// last event that happened no later than Time.
type Instant struct {
	Seq  uint64    `json:"seq,omitempty"`
	Time time.Time `json:"time,omitzero"`
}

// ParseInstant reads a sequence number or an RFC 3339 time.
func ParseInstant(s string) (Instant, error) {
	if seq, err := strconv.ParseUint(s, 10, 64); err == nil {
		return Instant{Seq: seq}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return Instant{}, fmt.Errorf("instant %q: want a sequence number or a time such as 2026-01-02T15:04:05.250Z", s)
	}
	return Instant{Time: at}, nil
}

// String is the form that ParseInstant reads.
func (i Instant) String() string {
	if i.Seq > 0 || i.Time.IsZero() {
		return strconv.FormatUint(i.Seq, 10)
	}
	return i.Time.UTC().Format(time.RFC3339Nano)
}

// reached says whether a world is at or after the instant.
func (i Instant) reached(w *state.World, next event.Event) bool {
	if i.Seq > 0 || i.Time.IsZero() {
		return next.Seq > i.Seq
	}
	return next.Time.After(i.Time) && next.Time.After(w.Now)
}

// TooOldError says that the events before an instant are no longer kept.
type TooOldError struct {
	Wanted Instant
	Oldest Instant // both of Seq and Time
}

func (e *TooOldError) Error() string {
	return fmt.Sprintf("show %s: what happened then is no longer kept; history begins at %s (event %d)",
		e.Wanted, e.Oldest.Time.UTC().Format(time.RFC3339Nano), e.Oldest.Seq)
}

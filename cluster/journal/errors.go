package journal

import (
	"errors"
	"fmt"
)

// Errors of a journal.
var (
	// ErrClosed says that the journal was closed.
	ErrClosed = errors.New("journal is closed")
	// ErrTruncated is what TruncatedError matches.
	ErrTruncated = errors.New("events are no longer kept")
	// ErrDamaged is what DamageError matches.
	ErrDamaged = errors.New("journal is damaged")
	// ErrAhead says that a cursor is beyond the last event, such as one that
	// comes from before the lab was purged.
	ErrAhead = errors.New("cursor is ahead of the journal")
	// ErrLocked says that another process has the journal open.
	ErrLocked = errors.New("journal is in use by another process")
)

// TruncatedError says that a cursor fell behind what is kept. The reader's
// cursor is at First now.
type TruncatedError struct {
	Wanted uint64 // the event the cursor was at
	First  uint64 // the first event still kept
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("events %d to %d are no longer kept; the journal begins at %d now", e.Wanted, e.First-1, e.First)
}

// Is matches ErrTruncated.
func (e *TruncatedError) Is(target error) bool { return target == ErrTruncated }

// DamageError says that some events of a segment cannot be read. The reader's
// cursor is behind them now.
type DamageError struct {
	Segment  string // path of the file
	From, To uint64 // the lost events
	Err      error  // what is wrong with the file
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("events %d to %d are lost: segment %s: %v", e.From, e.To, e.Segment, e.Err)
}

// Is matches ErrDamaged.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// Unwrap gives what is wrong with the file.
func (e *DamageError) Unwrap() error { return e.Err }

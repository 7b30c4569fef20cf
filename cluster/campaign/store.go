package campaign

import (
	"context"
	"errors"
)

// Seen is what a register had when it was read: the zero value where it does not
// exist. Version is the store's own, for the next swap.
type Seen struct{ Value, Version string }

// ErrConflict says that a swap had no effect, as the register had another version.
var ErrConflict = errors.New("another value is there")

// Refused is an error that says for certain that nothing was written.
type Refused struct{ Cause error }

// Error implements error.
func (r Refused) Error() string { return "refused: " + r.Cause.Error() }

// Unwrap gives the cause.
func (r Refused) Unwrap() error { return r.Cause }

// Store is what clients write to: the API server, or etcd. Any error of Swap but
// ErrConflict and Refused leaves open whether it had its effect. Stores are safe
// for concurrent use.
type Store interface {
	// Name is short: api, etcd.
	Name() string
	// Read gives what was written last, by anybody, when it was asked.
	Read(ctx context.Context, key string) (Seen, error)
	// Swap writes a value if the register has a version.
	Swap(ctx context.Context, key string, expect Seen, value string) (Seen, error)
	// List gives the values of all keys with a prefix.
	List(ctx context.Context, prefix string) (map[string]string, error)
	// Delete removes all keys with a prefix.
	Delete(ctx context.Context, prefix string) error
}

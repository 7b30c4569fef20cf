package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"golang.org/x/sys/unix"
)

// Packed is a layer as a registry has it, and the digest that it has unpacked.
type Packed struct {
	Blob   digest.Digest `json:"blob"`
	DiffID digest.Digest `json:"diffID"`
}

func (p Packed) check(got digest.Digest) error {
	if got != p.DiffID {
		return fmt.Errorf("layer %s is damaged: unpacked it is %s, and should be %s", p.Blob, got, p.DiffID)
	}
	return nil
}

// chainOf is the ID of layers that lie on each other, bottom first.
func chainOf(layers []Packed) digest.Digest {
	var diffIDs []digest.Digest
	for _, l := range layers {
		diffIDs = append(diffIDs, l.DiffID)
	}
	return identity.ChainID(diffIDs)
}

// Unpacker unpacks what nodes pull into the pool: each layer once, however many nodes
// ask for it. A layer is named by what was found in it, never by what a node says of
// it, so that no node can give another something else.
type Unpacker struct {
	pool *Pool

	mu    sync.Mutex
	turns map[digest.Digest]chan struct{} // by chain; full while one unpacks it
	found map[Packed]bool                 // what was unpacked, and had that digest
}

// maxFound bounds what is remembered of blobs; what is forgotten is unpacked again to
// find its digest.
const maxFound = 20_000

// NewUnpacker makes an unpacker into a pool.
func NewUnpacker(p *Pool) *Unpacker {
	return &Unpacker{pool: p, turns: map[digest.Digest]chan struct{}{}, found: map[Packed]bool{}}
}

// Blobs opens a packed layer, whose content is known to be that of its digest.
type Blobs func(digest.Digest) (*os.File, error)

// Use unpacks the topmost of some layers, bottom first, which lies on the others, and
// calls use with its directory in the pool. Nobody removes that meanwhile.
func (u *Unpacker) Use(ctx context.Context, layers []Packed, blobs Blobs, use func(dir string) error) error {
	if len(layers) == 0 {
		return errors.New("unpack a layer: none is named")
	}
	for _, l := range layers {
		if err := errors.Join(l.Blob.Validate(), l.DiffID.Validate()); err != nil {
			return fmt.Errorf("unpack layer %q: %w", l.Blob, err)
		}
	}
	unlock, err := u.pool.lock(ctx, unix.LOCK_SH)
	if err != nil {
		return err
	}
	defer unlock()
	var below []string // topmost first
	for at := range layers {
		dir, err := u.unpack(ctx, layers[:at+1], blobs, below, at == len(layers)-1)
		if err != nil {
			return fmt.Errorf("unpack layer %s: %w", layers[at].Blob, err)
		}
		below = slices.Insert(below, 0, dir)
	}
	return use(below[0])
}

// unpack returns the directory of the topmost layer, of which it is to be certain
// that the blob is packed what is in there.
func (u *Unpacker) unpack(ctx context.Context, layers []Packed, blobs Blobs, below []string, certain bool) (string, error) {
	chain, top := chainOf(layers), layers[len(layers)-1]
	dir := layerIn(u.pool.dir, chain)
	done, err := u.turn(ctx, chain)
	if err != nil {
		return "", err
	}
	defer done()
	if exists(dir) && (!certain || u.known(top)) {
		return dir, nil
	}
	packed, err := blobs(top.Blob)
	if err != nil {
		return "", err
	}
	defer packed.Close()
	stream := reader{ctx, packed}
	if exists(dir) {
		got, err := unpacked(stream, func(io.Reader) error { return nil })
		if err == nil {
			err = top.check(got.Digest)
		}
		if err != nil {
			return "", err
		}
		u.learn(top)
		return dir, nil
	}
	if err := u.make(ctx, stream, top, dir, below); err != nil {
		return "", err
	}
	u.learn(top)
	return dir, nil
}

// make unpacks a layer beside its place, and moves it there when it is complete and
// on disk.
func (u *Unpacker) make(ctx context.Context, packed io.Reader, layer Packed, dir string, below []string) (err error) {
	fresh, err := os.MkdirTemp(u.pool.dir, incoming)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	target := layerIn(fresh, layer.DiffID)
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unpackInto(ctx, packed, layer, target, below); err != nil {
		return err
	}
	return errors.Join(syncAll(fresh), moveInto(target, dir))
}

// turn waits until nobody else unpacks a chain.
func (u *Unpacker) turn(ctx context.Context, chain digest.Digest) (done func(), err error) {
	u.mu.Lock()
	one := u.turns[chain]
	if one == nil {
		one = make(chan struct{}, 1)
		u.turns[chain] = one
	}
	u.mu.Unlock()
	select {
	case one <- struct{}{}:
		return func() { <-one }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (u *Unpacker) known(p Packed) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.found[p]
}

func (u *Unpacker) learn(p Packed) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.found) >= maxFound {
		clear(u.found)
	}
	u.found[p] = true
}

// reader reads until a context ends.
type reader struct {
	ctx context.Context //nolint:containedctx // of the one call that reads
	r   io.Reader
}

// Read implements io.Reader.
func (r reader) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(b)
}

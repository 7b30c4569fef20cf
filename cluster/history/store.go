package history

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// store keeps keyframes in order, within a bound of bytes.
type store struct {
	dir   string // "" keeps them in memory
	max   int64
	shape string

	mu     sync.Mutex
	frames []keyframe // by seq
	total  int64
}

// suffix ends the names of keyframes: SEQ-UNIXNANOS-SHAPE.world.zst.
const suffix = ".world.zst"

// openStore lists what a directory has. Keyframes of other builds, half-written
// ones and those after the last event of the log are deleted.
func openStore(dir string, limit int64, last uint64) (*store, error) {
	s := &store{dir: dir, max: limit, shape: shape()}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	for _, entry := range entries {
		var k keyframe
		var nanos int64
		var of string
		name, ok := strings.CutSuffix(entry.Name(), suffix)
		n, _ := fmt.Sscanf(name, "%d-%d-%s", &k.seq, &nanos, &of)
		info, err := entry.Info()
		if !ok || n != 3 || err != nil || of != s.shape || k.seq > last || info.Size() == 0 {
			if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
				return nil, fmt.Errorf("open history: %w", err)
			}
			continue
		}
		k.now, k.bytes = time.Unix(0, nanos).UTC(), info.Size()
		s.frames, s.total = append(s.frames, k), s.total+k.bytes
	}
	slices.SortFunc(s.frames, func(a, b keyframe) int { return cmp.Compare(a.seq, b.seq) })
	return s, nil
}

func (s *store) path(k keyframe) string {
	return filepath.Join(s.dir, fmt.Sprintf("%020d-%d-%s%s", k.seq, k.now.UnixNano(), s.shape, suffix))
}

// add keeps a keyframe, and makes room for it.
func (s *store) add(k keyframe) error {
	k.bytes = int64(len(k.data))
	if s.dir != "" {
		// Not synced: a keyframe that a power failure spoils fails its checksum
		// and is made anew.
		path := s.path(k)
		temp := path + ".tmp"
		if err := os.WriteFile(temp, k.data, 0o600); err != nil {
			return errors.Join(fmt.Errorf("write a keyframe: %w", err), os.Remove(temp))
		}
		if err := os.Rename(temp, path); err != nil {
			return fmt.Errorf("write a keyframe: %w", err)
		}
		k.data = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, found := slices.BinarySearchFunc(s.frames, k.seq, func(a keyframe, seq uint64) int { return cmp.Compare(a.seq, seq) })
	if found {
		return nil
	}
	s.frames, s.total = slices.Insert(s.frames, i, k), s.total+k.bytes
	return s.thin()
}

// thin drops every second keyframe of the older half until the rest fits. The
// first one stays: nothing before it may be left to make it from.
func (s *store) thin() error {
	var errs []error
	for s.total > s.max && len(s.frames) > 3 {
		for i := 1; i < len(s.frames)/2+1 && s.total > s.max; i++ {
			errs = append(errs, s.drop(i))
		}
	}
	return errors.Join(errs...)
}

// drop forgets keyframe i; the caller holds the lock.
func (s *store) drop(i int) error {
	k := s.frames[i]
	s.frames, s.total = slices.Delete(s.frames, i, i+1), s.total-k.bytes
	if s.dir == "" {
		return nil
	}
	if err := os.Remove(s.path(k)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop a keyframe: %w", err)
	}
	return nil
}

// trim forgets keyframes that the log's first event has left behind: the events
// after them are no longer all kept.
func (s *store) trim(first uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for len(s.frames) > 0 && s.frames[0].seq+1 < first {
		errs = append(errs, s.drop(0))
	}
	return errors.Join(errs...)
}

// forget drops a keyframe that cannot be read.
func (s *store) forget(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, found := slices.BinarySearchFunc(s.frames, seq, func(a keyframe, seq uint64) int { return cmp.Compare(a.seq, seq) }); found {
		_ = s.drop(i) // a file that cannot be deleted either is found again at the next start
	}
}

// before is the last keyframe at or before an instant; next is the seq of the one
// after it, 0 when there is none.
func (s *store) before(at Instant) (k keyframe, next uint64, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.frames) - 1; i >= 0; i-- {
		k = s.frames[i]
		if byTime := at.Seq == 0 && !at.Time.IsZero(); byTime && !k.now.After(at.Time) || !byTime && k.seq <= at.Seq {
			if i+1 < len(s.frames) {
				next = s.frames[i+1].seq
			}
			return k, next, true
		}
	}
	if len(s.frames) > 0 {
		next = s.frames[0].seq
	}
	return keyframe{}, next, false
}

// load is the world of a keyframe, in the codec's form.
func (s *store) load(k keyframe) ([]byte, error) {
	data := k.data
	if data == nil {
		var err error
		if data, err = os.ReadFile(s.path(k)); err != nil {
			return nil, fmt.Errorf("read a keyframe: %w", err)
		}
	}
	raw, err := unpack(data)
	if err != nil {
		return nil, fmt.Errorf("read the keyframe of event %d: %w", k.seq, err)
	}
	return raw, nil
}

// size is how many keyframes there are and their bytes.
func (s *store) size() (n int, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.frames), s.total
}

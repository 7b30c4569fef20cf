package journal

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// sealer compresses full segments in the background, oldest first.
type sealer struct {
	work chan struct{} // one token: there may be something to seal
	quit chan struct{}
	once sync.Once
	done sync.WaitGroup
}

func (s *sealer) start(j *Journal) {
	s.work, s.quit = make(chan struct{}, 1), make(chan struct{})
	s.done.Go(func() {
		for {
			select {
			case <-s.quit:
				return
			case <-s.work:
			}
			for j.sealOldest() {
				select {
				case <-s.quit:
					return
				default:
				}
			}
		}
	})
	s.kick() // what the last process left
}

func (s *sealer) kick() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// stop waits for the segment that is being sealed. The rest is sealed by the
// next Open.
func (s *sealer) stop() {
	s.once.Do(func() { close(s.quit) })
	s.done.Wait()
}

// sealOldest seals one segment and tells whether there was one. Only one
// goroutine may be in it.
func (j *Journal) sealOldest() bool {
	j.mu.Lock()
	i := slices.IndexFunc(j.segments[:len(j.segments)-1], func(s segment) bool { return !s.sealed && !s.kept })
	if i < 0 {
		j.mu.Unlock()
		return false
	}
	plain := j.segments[i]
	j.mu.Unlock()

	sealed := segment{first: plain.first, path: filepath.Join(j.dir, sealedName(plain.first)), sealed: true}
	size, err := compress(plain.path, sealed.path, plain.bytes)
	sealed.bytes = size

	j.mu.Lock()
	defer j.mu.Unlock()
	i = slices.IndexFunc(j.segments, func(s segment) bool { return s.first == plain.first })
	switch {
	case i < 0: // dropped meanwhile
		j.remove(sealed.path)
	case err != nil:
		j.options.Log.Error("seal journal segment", "segment", plain.path, "error", err)
		j.segments[i].kept = true
	default:
		j.segments[i] = sealed
		j.total += sealed.bytes - plain.bytes
		j.remove(plain.path)
		j.enforce()
	}
	return true
}

// compress writes the compressed copy so that it is either whole or absent.
func compress(from, to string, size int64) (int64, error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	temp := to + tempSuffix
	out, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	written, err := compressTo(out, io.LimitReader(in, size))
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(temp, to)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(temp))
	}
	return written, syncDir(filepath.Dir(to))
}

func compressTo(out *os.File, in io.Reader) (int64, error) {
	// One core and small windows: it competes with the lab for the machine.
	enc, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20))
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(enc, in)
	if err = errors.Join(err, enc.Close()); err != nil {
		return 0, err
	}
	info, err := out.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), out.Sync()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// enforce drops the oldest segments until the journal is within its bound.
func (j *Journal) enforce() {
	drop := 0
	for ; j.total > j.options.MaxBytes && drop < len(j.segments)-1; drop++ {
		j.remove(j.segments[drop].path)
		j.total -= j.segments[drop].bytes
	}
	j.segments = slices.Delete(j.segments, 0, drop)
}

func (j *Journal) remove(path string) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		j.options.Log.Error("remove journal segment", "segment", path, "error", err)
	}
}

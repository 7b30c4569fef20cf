package pull

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// cache is a directory of whole blobs, DIR/ALGORITHM/DIGEST, and of who may have them:
//
//	DIR/public/ALGORITHM/DIGEST/REPOSITORY   an empty file: everybody, by a repository
type cache struct {
	dir   string
	bytes int64
}

func openCache(dir string, bytes int64) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open cache of images: %w", err)
	}
	return &cache{dir, bytes}, nil
}

func blobPath(dir string, d digest.Digest) string {
	return filepath.Join(dir, d.Algorithm().String(), d.Encoded())
}

// open opens a blob, and notes that it was asked for.
func (c *cache) open(d digest.Digest) (*os.File, error) {
	place := blobPath(c.dir, d)
	f, err := os.Open(place)
	if err == nil {
		now := time.Now()
		_ = os.Chtimes(place, now, now)
	}
	return f, err
}

// has says that a blob is there.
func (c *cache) has(d digest.Digest) bool {
	_, err := os.Lstat(blobPath(c.dir, d))
	return err == nil
}

// partial begins a blob that is not whole yet.
func (c *cache) partial() (*os.File, error) { return os.CreateTemp(c.dir, ".partial-") }

// stale is the age at which a partial blob is one of a process that was killed.
const stale = 24 * time.Hour

// keep makes a partial blob one of the cache: it is whole, and its digest is right.
func (c *cache) keep(f *os.File, d digest.Digest) error {
	place := blobPath(c.dir, d)
	if err := errors.Join(f.Chmod(0o444), f.Sync(), os.MkdirAll(filepath.Dir(place), 0o700)); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), place); err != nil {
		return err
	}
	return c.trim(d)
}

// put stores a small blob.
func (c *cache) put(d digest.Digest, raw []byte) error {
	f, err := c.partial()
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := io.Copy(f, bytes.NewReader(raw)); err != nil {
		return err
	}
	return c.keep(f, d)
}

// trim removes what was asked for longest ago until the cache is within its bounds,
// but not the newest.
func (c *cache) trim(newest digest.Digest) error {
	type blob struct {
		path string
		info fs.FileInfo
	}
	var blobs []blob
	var total int64
	err := filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path == filepath.Join(c.dir, publicDir) {
			return fs.SkipDir
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another lab was faster
		}
		if err != nil {
			return err
		}
		if filepath.Dir(path) == c.dir && time.Since(info.ModTime()) > stale {
			return os.Remove(path)
		}
		if filepath.Dir(path) != c.dir && filepath.Base(path) != newest.Encoded() {
			blobs = append(blobs, blob{path, info})
		}
		total += info.Size()
		return nil
	})
	if err != nil {
		return fmt.Errorf("trim cache of images: %w", err)
	}
	slices.SortFunc(blobs, func(a, b blob) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	for _, b := range blobs {
		if total <= c.bytes {
			break
		}
		note := filepath.Join(c.dir, publicDir, strings.TrimPrefix(b.path, c.dir))
		if err := errors.Join(os.RemoveAll(note), os.Remove(b.path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("trim cache of images: %w", err)
		}
		total -= b.info.Size()
	}
	return nil
}

// Package layer turns a list of files into the tar of an image layer. The bytes
// depend on the list alone: entries are sorted, timestamps are the Unix epoch and
// everything belongs to root.
package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Entry is one directory, file or symbolic link of a layer. Make it with
// Directory, File or Symlink.
type Entry struct {
	path string
	kind byte
	mode fs.FileMode
	link string
	body []byte
}

// Directory is an empty directory; mode may carry fs.ModeSticky.
func Directory(path string, mode fs.FileMode) Entry {
	return Entry{path: path, kind: tar.TypeDir, mode: mode}
}

// File is a regular file. The body is not copied.
func File(path string, mode fs.FileMode, body []byte) Entry {
	return Entry{path: path, kind: tar.TypeReg, mode: mode, body: body}
}

// Symlink is a symbolic link at path that leads to target.
func Symlink(path, target string) Entry {
	return Entry{path: path, kind: tar.TypeSymlink, mode: 0o777, link: target}
}

// Tar writes the entries as an uncompressed layer. Paths are relative to the
// image's root, such as "bin/sh"; every parent directory must be listed.
func Tar(entries []Entry) ([]byte, error) {
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b Entry) int { return strings.Compare(a.path, b.path) })
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	directories := map[string]bool{".": true}
	seen := map[string]bool{}
	for _, entry := range sorted {
		if err := entry.validate(directories, seen); err != nil {
			return nil, err
		}
		seen[entry.path] = true
		directories[entry.path] = entry.kind == tar.TypeDir
		if err := writer.WriteHeader(entry.header()); err != nil {
			return nil, fmt.Errorf("write layer entry %s: %w", entry.path, err)
		}
		if _, err := writer.Write(entry.body); err != nil {
			return nil, fmt.Errorf("write layer entry %s: %w", entry.path, err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("end layer: %w", err)
	}
	return out.Bytes(), nil
}

func (e Entry) validate(directories, seen map[string]bool) error {
	switch {
	case !fs.ValidPath(e.path) || e.path == ".":
		return fmt.Errorf("layer entry %q: want a clean path relative to the image's root", e.path)
	case seen[e.path]:
		return fmt.Errorf("layer entry %s: listed twice", e.path)
	case !directories[path.Dir(e.path)]:
		return fmt.Errorf("layer entry %s: its directory %s is not listed", e.path, path.Dir(e.path))
	case e.kind == tar.TypeSymlink && e.link == "":
		return errors.New("layer entry " + e.path + ": a symbolic link needs a target")
	}
	return nil
}

func (e Entry) header() *tar.Header {
	mode := int64(e.mode.Perm())
	if e.mode&fs.ModeSticky != 0 {
		mode |= 0o1000
	}
	name := e.path
	if e.kind == tar.TypeDir {
		name += "/"
	}
	return &tar.Header{
		Typeflag: e.kind, Name: name, Linkname: e.link, Size: int64(len(e.body)),
		Mode: mode, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	}
}

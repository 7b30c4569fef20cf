package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"time"
)

// files is the content of one image layer by path. Of several entries with one
// path the last stays.
type files map[string]entry

type entry struct {
	header tar.Header
	body   []byte
}

func (f files) put(header tar.Header, body []byte) {
	name := path.Clean("/" + header.Name)[1:]
	if name == "" {
		return
	}
	f.parents(name)
	header.Name, header.Size = name, int64(len(body))
	header.ModTime, header.AccessTime, header.ChangeTime = time.Unix(0, 0), time.Time{}, time.Time{}
	header.Uid, header.Gid, header.Uname, header.Gname = 0, 0, "", ""
	header.Format = tar.FormatPAX
	f[name] = entry{header, body}
}

// parents makes the directories above an entry that are not there yet.
func (f files) parents(name string) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, known := f[dir]; !known {
			f.dir(dir, 0o755)
		}
	}
}

func (f files) file(name string, mode int64, body []byte) {
	f.put(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, body)
}

func (f files) dir(name string, mode int64) {
	f.put(tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode}, nil)
}

func (f files) link(name, target string) {
	f.put(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
}

// copy takes a file of this machine over.
func (f files) copy(name, source string, mode int64) error {
	body, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	f.file(name, mode, body)
	return nil
}

// read takes the entries of a tar over that keep admits.
func (f files) read(from io.Reader, keep func(name string) bool) error {
	in := tar.NewReader(from)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !keep(path.Clean("/" + header.Name)[1:]) {
			continue
		}
		body, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeLink {
			// A hard link would have to come behind its target.
			header.Typeflag, header.Linkname = tar.TypeSymlink, path.Clean("/"+header.Linkname)
		}
		f.put(*header, body)
	}
}

// tar writes the layer; the same files give the same bytes.
func (f files) tar() ([]byte, error) {
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		header := f[name].header
		if header.Typeflag == tar.TypeDir {
			header.Name += "/"
		}
		if err := writer.WriteHeader(&header); err != nil {
			return nil, fmt.Errorf("write layer entry %s: %w", name, err)
		}
		if _, err := writer.Write(f[name].body); err != nil {
			return nil, fmt.Errorf("write layer entry %s: %w", name, err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

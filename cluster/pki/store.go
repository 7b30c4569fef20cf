package pki

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The modes of files; keys and kubeconfigs are for their owner alone.
const (
	publicMode fs.FileMode = 0o644
	secretMode fs.FileMode = 0o600
)

// store is a directory of small files that are only ever replaced whole. Names
// are relative to it, and links cannot lead out of its root: nodes can write to
// theirs, and we write as a more powerful user than they are.
type store struct {
	root   *os.Root
	prefix string // below root; all names are relative to it
}

// openStore opens prefix below the directory root, making both.
func openStore(root, prefix string, mode fs.FileMode) (*store, error) {
	if err := os.MkdirAll(root, mode); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	s := &store{root: r, prefix: prefix}
	if err := r.MkdirAll(prefix, mode); err != nil {
		return nil, errors.Join(fmt.Errorf("make directory %s: %w", s.path("."), err), r.Close())
	}
	return s, nil
}

// Close releases the directory.
func (s *store) Close() error { return s.root.Close() }

// path is the name for people.
func (s *store) path(name string) string { return filepath.Join(s.root.Name(), s.prefix, name) }

// read returns the content, or nil when there is no such file.
func (s *store) read(name string) ([]byte, error) {
	data, err := s.root.ReadFile(filepath.Join(s.prefix, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.path(name), err)
	}
	return data, nil
}

// put makes the file hold data with mode, leaving it alone if it already does.
func (s *store) put(name string, data []byte, mode fs.FileMode) error {
	return s.write(name, data, mode, false)
}

// putDurable is put that also survives a power loss right after it.
func (s *store) putDurable(name string, data []byte, mode fs.FileMode) error {
	return s.write(name, data, mode, true)
}

func (s *store) write(name string, data []byte, mode fs.FileMode, durable bool) error {
	old, err := s.read(name)
	if err != nil {
		return err
	}
	target := filepath.Join(s.prefix, name)
	if old != nil && bytes.Equal(old, data) {
		return s.chmod(target, mode)
	}
	if err := s.root.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("make directory of %s: %w", s.path(name), err)
	}
	// A fixed temporary name, so that what a crash left is swept here.
	temp := filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+".tmp")
	if err := s.root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %s: %w", s.path(name), err)
	}
	if err := s.create(temp, data, mode, durable); err != nil {
		return fmt.Errorf("write %s: %w", s.path(name), errors.Join(err, s.root.Remove(temp)))
	}
	if err := s.root.Rename(temp, target); err != nil {
		return fmt.Errorf("write %s: %w", s.path(name), errors.Join(err, s.root.Remove(temp)))
	}
	if durable {
		return s.syncDir(filepath.Dir(target))
	}
	return nil
}

func (s *store) create(temp string, data []byte, mode fs.FileMode, durable bool) error {
	f, err := s.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode) // whatever the umask
	}
	if err == nil && durable {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (s *store) chmod(target string, mode fs.FileMode) error {
	info, err := s.root.Stat(target)
	if err == nil && info.Mode().Perm() != mode {
		err = s.root.Chmod(target, mode)
	}
	if err != nil {
		return fmt.Errorf("set mode of %s: %w", filepath.Join(s.root.Name(), target), err)
	}
	return nil
}

func (s *store) syncDir(dir string) error {
	d, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

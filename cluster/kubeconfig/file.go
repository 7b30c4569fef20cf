package kubeconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// maxLinks is how many links to links are followed, as in the kernel.
const maxLinks = 40

// change loads the file, lets edit alter it, and replaces it if edit says that it
// did. edit is told whether the file exists.
func change(ctx context.Context, path string, edit func(cfg *clientcmdapi.Config, exists bool) bool) (err error) {
	target, err := follow(path)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
		if !edit(clientcmdapi.NewConfig(), false) {
			return nil // and no directory is made for nothing
		}
	}
	for _, file := range []string{path, target} {
		if err := makeDir(filepath.Dir(file)); err != nil {
			return err
		}
	}
	unlock, err := lock(ctx, path, target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()

	old, err := os.ReadFile(target)
	exists := !errors.Is(err, fs.ErrNotExist)
	if err != nil && exists {
		return err
	}
	cfg, err := clientcmd.Load(old)
	if err != nil {
		return fmt.Errorf("it is malformed and was left as it is: %w; repair it, or set KUBECONFIG to another file", err)
	}
	if !edit(cfg, exists) {
		return nil
	}
	data, err := clientcmd.Write(*cfg)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if exists && bytes.Equal(old, data) {
		return nil
	}
	return replace(target, data)
}

// follow resolves path while it is a link, also one to a file that does not exist yet.
func follow(path string) (string, error) {
	for range maxLinks {
		next, err := os.Readlink(path)
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		path = next
	}
	return "", fmt.Errorf("more than %d links lead on from it", maxLinks)
}

// replace puts a file with the mode and owner of the old one in its place; where
// there is none, one that only the owner of its directory can read.
func replace(target string, data []byte) (err error) {
	dir := filepath.Dir(target)
	mode, like := fs.FileMode(0o600), dir
	if info, err := os.Stat(target); err == nil {
		mode, like = info.Mode().Perm(), target
	}
	temp, err := os.CreateTemp(dir, "."+filepath.Base(target)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	_, err = temp.Write(data)
	if err == nil {
		err = own(temp.Name(), like)
	}
	if err == nil {
		err = temp.Chmod(mode)
	}
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), target)
}

// own gives a new file or directory the owner of another: a workbench that runs as
// root must not lock users out of their own kubeconfig.
func own(path, like string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Chown(path, int(stat.Uid), int(stat.Gid))
}

// makeDir makes a directory and its parents, each owned like the one above it.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is not a directory", dir)
		}
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o750); errors.Is(err, fs.ErrExist) {
		return nil // another process was faster
	} else if err != nil {
		return err
	}
	return own(dir, filepath.Dir(dir))
}

package kubeconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// How long to wait for whoever holds the lock, and how often to look: the lock
// is a file that exists, so there is nothing to wait on.
const (
	lockWait = 10 * time.Second
	lockLook = 5 * time.Millisecond
)

// lock takes kubectl's lock on each of the paths, which may be the same, in
// order: that of the link first, then that of the file it leads to.
func lock(ctx context.Context, paths ...string) (unlock func() error, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	var held []string
	unlock = func() error {
		var errs []error
		for _, name := range held {
			errs = append(errs, os.Remove(name))
		}
		return errors.Join(errs...)
	}
	for i, path := range paths {
		if i > 0 && path == paths[i-1] {
			continue
		}
		name := path + ".lock"
		if err := take(ctx, name); err != nil {
			return nil, errors.Join(err, unlock())
		}
		held = append(held, name)
	}
	return unlock, nil
}

func take(ctx context.Context, name string) error {
	look := time.NewTicker(lockLook)
	defer look.Stop()
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0)
		if err == nil {
			return f.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("%s is held by another program; if none is changing the file, remove %s", name, name)
			}
			return context.Cause(ctx)
		}
	}
}

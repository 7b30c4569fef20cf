package ui

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// errHungUp says that the terminal has gone.
var errHungUp = errors.New("the terminal was closed")

// awaitHangup returns errHungUp when the terminal has gone, or nil when ctx ends.
// A program that its terminal's session leader started in a session of its own, as
// su -c does, gets no SIGHUP, and Bubble Tea takes the end of its input for silence.
func awaitHangup(ctx context.Context, terminal *os.File) error {
	wake, done, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("watch the terminal: %w", err)
	}
	defer wake.Close()
	stop := context.AfterFunc(ctx, func() { _ = done.Close() })
	defer func() {
		if stop() {
			_ = done.Close()
		}
	}()
	// No events are asked for: poll(2) reports a hang-up without.
	fds := []unix.PollFd{{Fd: int32(terminal.Fd())}, {Fd: int32(wake.Fd())}}
	for {
		switch _, err := unix.Poll(fds, -1); {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("watch the terminal: %w", err)
		case ctx.Err() != nil:
			return nil
		case fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0:
			return errHungUp
		}
	}
}

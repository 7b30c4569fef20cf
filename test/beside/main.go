// Command beside runs a command that is about time, and others with little more than
// the processor time that it leaves:
//
//	go run ./test/beside 'go tool task labs' 'go tool task lint' 'go tool task unit'
//
// The others run one after another, and their output is shown when they are done.
// When one of all fails, what still runs is interrupted, and what failed has the last
// word.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: beside COMMAND [COMMAND BESIDE IT...]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	err := run(ctx, os.Stdout, os.Args[1], os.Args[2:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "beside:", err)
		os.Exit(1)
	}
}

// run runs the first command, and the others beside it.
func run(ctx context.Context, out io.Writer, first string, others []string) error {
	all, ctx := errgroup.WithContext(ctx)
	var failed []byte // what one of the others said when it failed
	all.Go(func() error { return one(ctx, first, out, false) })
	all.Go(func() error {
		for _, command := range others {
			var said bytes.Buffer
			err := one(ctx, command, &said, true)
			switch {
			case errors.Is(err, errInterrupted):
				return err
			case err != nil:
				failed = said.Bytes()
				return err
			}
			if _, err := out.Write(said.Bytes()); err != nil {
				return err
			}
		}
		return nil
	})
	err := all.Wait()
	if _, werr := out.Write(failed); werr != nil {
		err = errors.Join(err, werr)
	}
	return err
}

var errInterrupted = errors.New("interrupted")

// lowest is the nice value that has least of a processor: some 1.5 % of one that
// somebody else could take all of, sched(7).
const lowest = 19

// one runs a command in a process group of its own, which is interrupted when the
// context ends. It is waited for however long it takes to clean up.
func one(ctx context.Context, command string, out io.Writer, last bool) error {
	words := strings.Fields(command)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	started := make(chan error)
	go func() {
		if last {
			// A process has the nice value of the thread that starts it; this one
			// ends with its goroutine. SCHED_IDLE would stop it for seconds when the
			// first takes all.
			runtime.LockOSThread()
			if err := unix.Setpriority(unix.PRIO_PROCESS, 0, lowest); err != nil {
				started <- fmt.Errorf("have %q come last: %w", command, err)
				return
			}
		}
		started <- cmd.Start()
	}()
	if err := <-started; err != nil {
		return err
	}
	interrupt := context.AfterFunc(ctx, func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGINT) })
	err := cmd.Wait()
	if !interrupt() {
		return fmt.Errorf("%s: %w", command, errInterrupted)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return nil
}

package harness

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Main runs the tests of a package; SIGINT and SIGTERM end them, and take down and
// delete the labs that are there.
func Main(m *testing.M) int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, unix.SIGTERM)
	code := make(chan int, 1)
	go func() { code <- m.Run() }()
	select {
	case c := <-code:
		return c
	case s := <-stop:
		fmt.Printf("--- FAIL: %v\n", s)
		open.end()
		return 1
	}
}

// open are the labs of tests that run.
var open labs

// labs are locked for reading by who starts a command on one of them.
type labs struct {
	mu  sync.RWMutex
	all map[*Lab]bool
}

func (o *labs) add(l *Lab) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = map[*Lab]bool{}
	}
	o.all[l] = true
}

func (o *labs) remove(l *Lab) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.all, l)
}

// start starts a command; it blocks for ever when the tests were ended.
func (o *labs) start(cmd *exec.Cmd) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return cmd.Start()
}

// end deletes the labs, whatever they are about. It keeps the lock: the process is
// to exit.
func (o *labs) end() {
	o.mu.Lock()
	for l := range o.all {
		// One that is killed may have started another just before.
		deadline := time.Now().Add(settle)
		for found := l.processes(); len(found) > 0 && time.Now().Before(deadline); found = l.processes() {
			for _, p := range found {
				_ = unix.Kill(p.pid, unix.SIGKILL)
			}
			awaitEnd(found, deadline)
		}
		if _, err := os.Stat(l.File()); err == nil {
			if out, err := exec.Command(l.bin, l.args([]string{"down", "--purge", "--yes"})...).CombinedOutput(); err != nil {
				fmt.Printf("lab %s: down --purge: %v\n%s", l.Name, err, out)
			}
		}
		if l.temp != "" {
			_ = os.RemoveAll(filepath.Dir(l.temp)) // the test's, of which this is the first
		}
	}
}

// Package namespace starts and enters the Linux namespaces of a lab.
//
//	supervisor                      host namespaces
//	  '- lab init                   pid + mnt + net; dies with the supervisor
//	       '- node init (one each)  pid + mnt + uts + net + ipc, and cgroup
//
// The kernel does the clean-up: when the init of a PID namespace ends, every
// process in it is killed, nested namespaces included.
package namespace

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Net is an open network namespace. Holding it keeps the namespace alive, so
// close it before expecting the namespace to be gone.
type Net struct{ file *os.File }

// NetOf opens the network namespace of a process.
func NetOf(pid int) (*Net, error) { return NetAt(fmt.Sprintf("/proc/%d/ns/net", pid)) }

// NetAt opens the network namespace of a file, such as the ones that the
// container runtime keeps for pods.
func NetAt(path string) (*Net, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	return &Net{file: f}, nil
}

// Close lets go of the namespace.
func (n *Net) Close() error { return n.file.Close() }

// FD is the namespace's file descriptor, valid until Close.
func (n *Net) FD() int { return int(n.file.Fd()) }

// Do runs fn on an operating-system thread that is in the namespace. Sockets made
// by fn stay in the namespace and can be used from anywhere; goroutines started by
// fn do not run in it. What else fn changes of its thread it must undo.
func (n *Net) Do(fn func() error) error {
	w := work{ns: n, fn: fn, done: make(chan error, 1)}
	select {
	case t := <-idle:
		t <- w
	default:
		t := make(thread, 1)
		t <- w
		go t.run()
	}
	return <-w.done
}

// idle are threads that wait for work, in the namespace of the process: to make
// one for each connection costs more than the connection. So few stay that they
// are nothing.
var idle = make(chan thread, 4)

// thread is a goroutine with an operating-system thread of its own, and how it is
// given work.
type thread chan work

type work struct {
	ns   *Net
	fn   func() error
	done chan error
}

// run works until enough others are idle.
func (t thread) run() {
	// Never unlocked: the runtime ends the thread with the goroutine, so that no
	// other goroutine ever lands in the wrong namespace.
	runtime.LockOSThread()
	home, err := NetAt("/proc/thread-self/ns/net")
	if err != nil {
		(<-t).done <- err
		return
	}
	defer home.Close()
	for w := range t {
		err, lost := w.in(home)
		stays := false
		if !lost {
			select {
			case idle <- t:
				stays = true
			default:
			}
		}
		w.done <- err
		if !stays {
			return
		}
	}
}

// in does the work and comes home; lost says that it did not.
func (w work) in(home *Net) (err error, lost bool) {
	if err := unix.Setns(w.ns.FD(), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace: %w", err), false
	}
	err = w.fn()
	return err, unix.Setns(home.FD(), unix.CLONE_NEWNET) != nil
}

// DialContext connects from inside the namespace to a literal IP address and
// port.
func (n *Net) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if host, _, err := net.SplitHostPort(address); err != nil || net.ParseIP(host) == nil {
		return nil, fmt.Errorf("dial %q in network namespace: want a literal IP:port", address)
	}
	var conn net.Conn
	err := n.Do(func() error {
		var d net.Dialer
		var err error
		conn, err = d.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

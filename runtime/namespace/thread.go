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

// Do runs fn on an operating-system thread that is in the namespace and that
// ends afterwards. Sockets made by fn stay in the namespace and can be used
// from anywhere; goroutines started by fn do not run in it.
func (n *Net) Do(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the runtime ends the thread with the goroutine, so
		// that no other goroutine ever lands in the wrong namespace.
		runtime.LockOSThread()
		if err := unix.Setns(n.FD(), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		done <- fn()
	}()
	return <-done
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

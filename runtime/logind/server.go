// Package logind is as much of a system bus and of systemd's logind as a node
// needs to say that it goes down: the kubelet's graceful node shutdown asks for
// nothing else (k8s.io/kubernetes/pkg/kubelet/nodeshutdown/systemd).
//
//	kubelet --Inhibit("shutdown", "delay")--> a pipe's end: it may delay a shutdown
//	        <--PrepareForShutdown(true)------ Announce
//	        --closes its end----------------> Announce returns; or after InhibitDelayMaxSec
//
// The socket is in the node's own /run, where no host and no other node sees it.
// What a real bus does besides - other services, names, activation - is answered
// with the errors that the D-Bus specification has for it.
package logind

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is where programs look for the system bus.
const Socket = "/run/dbus/system_bus_socket"

// ConfigDir is where logind's configuration is overridden (logind.conf(5)).
const ConfigDir = "/etc/systemd/logind.conf.d"

// Config is what a server needs.
type Config struct {
	Socket, ConfigDir string
	// Changed is told, one call at a time, who may delay a shutdown and for how
	// long at most, whenever that has changed.
	Changed func([]Inhibitor, time.Duration)
}

// Server is a running bus with its logind.
type Server struct {
	config   Config
	guid     string
	listener *net.UnixListener
	manager  *manager

	mu      sync.Mutex
	last    int
	clients map[*client]bool
	closed  bool
	running sync.WaitGroup // the accept loop, clients, and who watches inhibitors
}

// Listen starts to serve, until Close.
func Listen(c Config) (*Server, error) {
	if err := os.MkdirAll(filepath.Dir(c.Socket), 0o755); err != nil {
		return nil, fmt.Errorf("listen as the system bus: %w", err)
	}
	if err := os.Remove(c.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listen as the system bus: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.Socket, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen as the system bus: %w", err)
	}
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails
	s := &Server{config: c, guid: hex.EncodeToString(raw), listener: listener, clients: map[*client]bool{}}
	s.manager = newManager(c)
	s.running.Go(s.accept)
	return s, nil
}

// Close ends all connections and waits until nothing of the server runs. Delays
// that clients still hold end with them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	err := s.listener.Close()
	for c := range s.clients {
		_ = c.conn.Close()
	}
	s.mu.Unlock()
	s.manager.close()
	s.running.Wait()
	return err
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.AcceptUnix()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = conn.Close()
			return
		}
		s.last++
		c := &client{server: s, conn: conn, name: ":1." + strconv.Itoa(s.last)}
		s.clients[c] = true
		s.running.Go(func() {
			c.serve()
			_ = conn.Close()
			s.mu.Lock()
			delete(s.clients, c)
			s.mu.Unlock()
		})
		s.mu.Unlock()
	}
}

// serve answers one client until it leaves or breaks the protocol.
func (c *client) serve() {
	cred, err := peer(c.conn)
	if err != nil {
		return
	}
	c.uid, c.pid = cred.Uid, cred.Pid
	in := bufio.NewReader(c.conn)
	if authenticate(in, c.conn, c.uid, c.server.guid) != nil {
		return
	}
	for {
		m, err := receive(in)
		if err != nil {
			return
		}
		if err := c.handle(m); err != nil {
			return
		}
	}
}

// peer is who connected, as the kernel has it.
func peer(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return cred, errors.Join(err, failed)
}

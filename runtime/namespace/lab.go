package namespace

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Names of the roles that the agent binary plays, as argv[0].
const (
	LabInitRole  = "workbench-lab-init"
	NodeInitRole = "workbench-node-init"
)

// controlFD is where an init finds its control socket.
const controlFD = 3

// spawn asks lab init for a node; the node's control socket comes with it as
// an SCM_RIGHTS descriptor.
type spawn struct {
	Name string `json:"name"`
	// Log is a host path for what the node's init prints.
	Log string `json:"log"`
}

type spawned struct {
	Name  string `json:"name"`
	Error string `json:"error,omitempty"`
}

// Lab is a running lab init, the parent of all nodes.
type Lab struct {
	PID     int
	control *net.UnixConn
	mu      sync.Mutex // one spawn at a time on control
	exited  chan struct{}
	err     error // why it ended; read after exited is closed
	kill    func() error
}

// StartLab starts lab init from the agent binary. The kernel kills it, and so
// all nodes, when the calling process dies for whatever reason.
func StartLab(agent, logFile string) (*Lab, error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, fmt.Errorf("start lab init: %w", err)
	}
	defer theirs.Close()
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start lab init: %w", err), ours.Close())
	}
	defer log.Close()
	cmd := &exec.Cmd{
		Path: agent, Args: []string{LabInitRole}, Env: os.Environ(), Dir: "/",
		Stdout: log, Stderr: log, ExtraFiles: []*os.File{theirs},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
			Pdeathsig:  syscall.SIGKILL,
			Setsid:     true,
		},
	}
	l := &Lab{control: ours, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// PDEATHSIG is sent when the *thread* that forked ends, so this
		// thread belongs to lab init for as long as it lives.
		runtime.LockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		l.err = cmd.Wait()
		close(l.exited)
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("start lab init %s: %w", agent, err), ours.Close())
	}
	l.PID = cmd.Process.Pid
	l.kill = cmd.Process.Kill
	return l, nil
}

// Exited is closed when lab init has ended and nothing of the lab runs.
func (l *Lab) Exited() <-chan struct{} { return l.exited }

// Close kills lab init and with it every process of the lab, and waits until
// all are gone. It may be called more than once.
func (l *Lab) Close() error {
	if err := l.kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill lab init: %w", err)
	}
	<-l.exited
	if err := l.control.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close lab init's control socket: %w", err)
	}
	return nil
}

// Node starts the init of a node in namespaces of its own. The returned
// socket speaks the protocol of package node.
func (l *Lab) Node(name, log string) (*net.UnixConn, error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, fmt.Errorf("start node %s: %w", name, err)
	}
	defer theirs.Close()
	reply, err := l.spawn(spawn{Name: name, Log: log}, theirs)
	if err == nil && reply.Error != "" {
		err = errors.New(reply.Error)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start node %s: %w", name, err), ours.Close())
	}
	return ours, nil
}

func (l *Lab) spawn(req spawn, control *os.File) (spawned, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	raw, err := json.Marshal(req)
	if err != nil {
		return spawned{}, err
	}
	if _, _, err := l.control.WriteMsgUnix(raw, unix.UnixRights(int(control.Fd())), nil); err != nil {
		return spawned{}, fmt.Errorf("ask lab init: %w", err)
	}
	buf := make([]byte, 64<<10)
	n, err := l.control.Read(buf)
	if err != nil {
		return spawned{}, fmt.Errorf("hear from lab init: %w", err)
	}
	var reply spawned
	if err := json.Unmarshal(buf[:n], &reply); err != nil {
		return spawned{}, fmt.Errorf("hear from lab init: %w", err)
	}
	return reply, nil
}

// socketpair makes a pair of connected message sockets: ours, which learns
// the PID of the peer in our PID namespace with each message, and a file for
// the child.
func socketpair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make control socket: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "control")
	if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("make control socket: %w", err), unix.Close(fds[0]), theirs.Close())
	}
	ours, err := connection(os.NewFile(uintptr(fds[0]), "control"))
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return ours, theirs, nil
}

func connection(f *os.File) (*net.UnixConn, error) {
	conn, err := net.FileConn(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("open control socket: no unix socket"), conn.Close())
	}
	return unixConn, nil
}

// Control is the control socket that an init inherits.
func Control() (*net.UnixConn, error) {
	return connection(os.NewFile(controlFD, "control"))
}

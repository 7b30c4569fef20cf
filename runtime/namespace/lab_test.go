package namespace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"workbench/test/require"
)

// The main goroutine keeps the main thread, as in the agent.
func init() { runtime.LockOSThread() }

// TestMain is, under the names of the inits, those.
func TestMain(m *testing.M) {
	var err error
	switch filepath.Base(os.Args[0]) {
	case LabInitRole:
		err = LabInit()
	case NodeInitRole:
		err = nodeInit()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// nodeInit says where it is and lives until its socket closes.
func nodeInit() error {
	control, err := Control()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(control, "pid %d", os.Getpid()); err != nil {
		return err
	}
	if _, err := control.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func startLab(t *testing.T) *Lab {
	t.Helper()
	require.Root(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "init.log")
	lab, err := StartLab(self, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
		if raw, err := os.ReadFile(log); err != nil || len(raw) > 0 && t.Failed() {
			t.Logf("lab init says %s (%v)", raw, err)
		}
	})
	return lab
}

// newNode starts a node and returns its socket and the PID of its init here.
func newNode(t *testing.T, lab *Lab, name string) (*net.UnixConn, int) {
	t.Helper()
	conn, err := lab.Node(name, filepath.Join(t.TempDir(), name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	buf, oob := make([]byte, 100), make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(buf[:n]); got != "pid 1" {
		t.Errorf("the node's init says %q, want it to be PID 1", got)
	}
	return conn, Sender(oob[:oobn])
}

// link is a process's namespace.
func link(t *testing.T, pid int, kind string) string {
	t.Helper()
	to, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// awaitEnd waits for the end of a process that is not ours to reap.
func awaitEnd(t *testing.T, pidfd int) {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int((10 * time.Second).Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 || err != nil {
			t.Errorf("the process runs on (%v)", err)
		}
		return
	}
}

func TestLabAndNodes(t *testing.T) {
	lab := startLab(t)
	for _, kind := range []string{"pid", "mnt", "net"} {
		if link(t, lab.PID, kind) == link(t, os.Getpid(), kind) {
			t.Errorf("lab init is in our own %s namespace", kind)
		}
	}
	_, one := newNode(t, lab, "one")
	_, two := newNode(t, lab, "two")
	for _, kind := range []string{"pid", "mnt", "net", "uts", "ipc"} {
		if a, b, c := link(t, one, kind), link(t, two, kind), link(t, lab.PID, kind); a == b || a == c || b == c {
			t.Errorf("%s namespaces %s and %s of nodes and %s of the lab: want each its own", kind, a, b, c)
		}
	}
	pidfd, err := unix.PidfdOpen(one, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	select {
	case <-lab.Exited():
		t.Fatal("lab init has ended")
	default:
	}
	if err := lab.Close(); err != nil {
		t.Fatal(err)
	}
	<-lab.Exited()
	awaitEnd(t, pidfd)
	if err := lab.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if _, err := lab.Node("three", "/dev/null"); err == nil {
		t.Error("a lab that is closed starts a node")
	}
}

// TestLabEndsWithItsSocket is what happens when the supervisor is gone before
// the kernel could be told to kill its child.
func TestLabEndsWithItsSocket(t *testing.T) {
	lab := startLab(t)
	_, pid := newNode(t, lab, "one")
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	if err := unix.Shutdown(fd(t, lab.control), unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	<-lab.Exited()
	awaitEnd(t, pidfd)
}

func fd(t *testing.T, conn *net.UnixConn) int {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	out := -1
	if err := raw.Control(func(fd uintptr) { out = int(fd) }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestNodeRefusals(t *testing.T) {
	lab := startLab(t)
	if _, err := lab.Node("one", "/absent/dir/log"); err == nil || !strings.Contains(err.Error(), "start node one") || !strings.Contains(err.Error(), "/absent/dir/log") {
		t.Errorf("a log that cannot be made gives %v", err)
	}
	newNode(t, lab, "one") // it still works
	if _, err := StartLab("/absent/agent", filepath.Join(t.TempDir(), "log")); err == nil || !strings.Contains(err.Error(), "/absent/agent") {
		t.Errorf("an absent agent gives %v", err)
	}
}

// TestDial reaches a listener in the lab's network, and does not from outside.
func TestDial(t *testing.T) {
	lab := startLab(t)
	ns, err := NetOf(lab.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	own := link(t, os.Getpid(), "net")
	var listener net.Listener
	err = ns.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(lo); err != nil {
			return err
		}
		listener, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().String()
	conn, err := ns.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Error("the listener in the lab is reached from outside")
	}
	if _, err := ns.DialContext(t.Context(), "tcp", "localhost:80"); err == nil || !strings.Contains(err.Error(), "literal") {
		t.Errorf("a name gives %v; resolving it would use the host's network", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ns.DialContext(ctx, "tcp", address); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled dial gives %v", err)
	}
	// No thread that other goroutines use has moved.
	for range 50 {
		if got := link(t, os.Getpid(), "net"); got != own {
			t.Fatalf("the process is in %s", got)
		}
		var here string
		done := make(chan struct{})
		go func() { defer close(done); here, _ = os.Readlink("/proc/thread-self/ns/net") }()
		<-done
		if here != own {
			t.Fatalf("a goroutine runs in %s, want %s", here, own)
		}
	}
}

func TestNetOfNothing(t *testing.T) {
	gone := exec.Command("/bin/true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := NetOf(gone.Process.Pid); err == nil {
		t.Error("a process that has ended has a network namespace")
	}
}

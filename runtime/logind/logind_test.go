package logind

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// patience bounds every wait.
const patience = 30 * time.Second

// rig is a server, and what it told.
type rig struct {
	*Server
	t    *testing.T
	told chan string
}

func start(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, told: make(chan string, 100)}
	var err error
	r.Server, err = Listen(Config{
		Socket: filepath.Join(dir, "run/bus"), ConfigDir: filepath.Join(dir, "conf.d"),
		Changed: func(held []Inhibitor, limit time.Duration) { r.told <- fmt.Sprint(names(held), limit) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func names(held []Inhibitor) []string {
	out := []string{}
	for _, i := range held {
		out = append(out, i.Who)
	}
	return out
}

// await is the next that was told.
func (r *rig) await(want string) {
	r.t.Helper()
	select {
	case got := <-r.told:
		if got != want {
			r.t.Errorf("told %q, want %q", got, want)
		}
	case <-time.After(patience):
		r.t.Fatalf("waited %v for %q", patience, want)
	}
}

// dial connects as the kubelet does.
func (r *rig) dial() *dbus.Conn {
	r.t.Helper()
	conn, err := dbus.Connect("unix:path=" + r.config.Socket)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func logind(conn *dbus.Conn) dbus.BusObject {
	return conn.Object("org.freedesktop.login1", "/org/freedesktop/login1")
}

func delay(t *testing.T, conn *dbus.Conn) time.Duration {
	t.Helper()
	v, err := logind(conn).GetProperty("org.freedesktop.login1.Manager.InhibitDelayMaxUSec")
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(v.Value().(uint64)) * time.Microsecond
}

// inhibit takes an inhibitor, as InhibitShutdown of the kubelet does.
func inhibit(conn *dbus.Conn, what, mode string) (fd uint32, err error) {
	err = logind(conn).Call("org.freedesktop.login1.Manager.Inhibit", 0, what, "kubelet", "Kubelet needs time", mode).Store(&fd)
	return fd, err
}

// TestKubelet makes the calls of a kubelet, from its start to a shutdown, in its
// order and with its client library.
func TestKubelet(t *testing.T) {
	r := start(t)
	conn := r.dial()
	if d := delay(t, conn); d != defaultDelay {
		t.Errorf("delay is %v, want logind's own", d)
	}
	if err := os.MkdirAll(r.config.ConfigDir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := "# Kubelet logind override\n[Login]\nInhibitDelayMaxSec=20\n"
	if err := os.WriteFile(filepath.Join(r.config.ConfigDir, "99-kubelet.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	systemd := conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
	if err := systemd.Call("org.freedesktop.systemd1.Manager.KillUnit", 0, "systemd-logind.service", "all", int32(1)).Err; err != nil {
		t.Fatal(err)
	}
	r.await("[] 20s")
	if d := delay(t, conn); d != 20*time.Second {
		t.Errorf("delay is %v after the reload, want 20s", d)
	}
	fd, err := inhibit(conn, "shutdown", "delay")
	if err != nil {
		t.Fatal(err)
	}
	r.await("[kubelet] 20s")
	err = conn.AddMatchSignal(dbus.WithMatchInterface("org.freedesktop.login1.Manager"),
		dbus.WithMatchMember("PrepareForShutdown"), dbus.WithMatchObjectPath("/org/freedesktop/login1"))
	if err != nil {
		t.Fatal(err)
	}
	signals := make(chan *dbus.Signal, 1)
	conn.Signal(signals)

	var waited string
	done := make(chan Outcome)
	go func() {
		done <- r.Announce(func(held []Inhibitor, limit time.Duration) { waited = fmt.Sprint(names(held), limit) })
	}()
	select {
	case s := <-signals:
		if s.Name != "org.freedesktop.login1.Manager.PrepareForShutdown" || len(s.Body) != 1 || s.Body[0] != true {
			t.Errorf("heard %+v", s)
		}
	case <-time.After(patience):
		t.Fatal("heard nothing of the shutdown")
	}
	if _, err := inhibit(conn, "shutdown", "delay"); err == nil {
		t.Error("a shutdown that goes on can be delayed anew")
	}
	select {
	case o := <-done:
		t.Fatalf("it did not wait: %+v", o)
	default:
	}
	if err := unix.Close(int(fd)); err != nil {
		t.Fatal(err)
	}
	if o := <-done; len(o.Held) != 0 || waited != "[kubelet] 20s" {
		t.Errorf("waited for %s, outcome %+v", waited, o)
	}
	r.await("[] 20s")
}

func TestInhibitorEndsWithItsProcess(t *testing.T) {
	r := start(t)
	conn := r.dial()
	fd, err := inhibit(conn, "sleep:shutdown", "delay")
	if err != nil {
		t.Fatal(err)
	}
	r.await("[kubelet] 5s")
	// As the kernel does at the end of a process: all it had open is closed.
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(int(fd)); err != nil {
		t.Fatal(err)
	}
	r.await("[] 5s")
}

func TestLimit(t *testing.T) {
	r := start(t)
	if err := os.MkdirAll(r.config.ConfigDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.config.ConfigDir, "a.conf"), []byte("[Login]\nInhibitDelayMaxSec=10ms\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.manager.reload()
	fd, err := inhibit(r.dial(), "shutdown", "delay")
	if err != nil {
		t.Fatal(err)
	}
	o := r.Announce(func([]Inhibitor, time.Duration) {})
	if fmt.Sprint(names(o.Held)) != "[kubelet]" || o.Took < 10*time.Millisecond {
		t.Errorf("outcome %+v, want one that holds on", o)
	}
	if err := unix.Close(int(fd)); err != nil {
		t.Fatal(err)
	}
}

func TestNobodyDelays(t *testing.T) {
	r := start(t)
	if o := r.Announce(func(held []Inhibitor, _ time.Duration) {
		if len(held) > 0 {
			t.Errorf("waits for %v", held)
		}
	}); len(o.Held) > 0 {
		t.Errorf("outcome %+v", o)
	}
}

// TestBus asks what other clients ask of a bus.
func TestBus(t *testing.T) {
	r := start(t)
	conn := r.dial()
	var has bool
	if err := conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.freedesktop.login1").Store(&has); err != nil || !has {
		t.Errorf("logind is on the bus: %v, %v", has, err)
	}
	if err := conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.example").Store(&has); err != nil || has {
		t.Errorf("org.example is on the bus: %v, %v", has, err)
	}
	fd, err := inhibit(conn, "shutdown", "delay")
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(int(fd))
	var list []entry
	if err := logind(conn).Call("org.freedesktop.login1.Manager.ListInhibitors", 0).Store(&list); err != nil {
		t.Fatal(err)
	}
	want := entry{"shutdown", "kubelet", "Kubelet needs time", "delay", uint32(os.Getuid()), uint32(os.Getpid())}
	if len(list) != 1 || list[0] != want {
		t.Errorf("inhibitors are %+v, want %+v", list, want)
	}
	for _, refused := range []struct{ destination, method, why string }{
		{"org.example", "org.example.Do", "ServiceUnknown"},
		{"org.freedesktop.login1", "org.freedesktop.login1.Manager.PowerOff", "UnknownMethod"},
		{"org.freedesktop.login1", "org.freedesktop.login1.Manager.Inhibit", "InvalidArgs"},
		{"org.freedesktop.systemd1", "org.freedesktop.systemd1.Manager.KillUnit", "NoSuchUnit"},
	} {
		err := conn.Object(refused.destination, "/org/example").Call(refused.method, 0).Err
		if e, ok := err.(dbus.Error); !ok || !strings.HasSuffix(e.Name, refused.why) {
			t.Errorf("%s: %v, want %s", refused.method, err, refused.why)
		}
	}
	if _, err := inhibit(conn, "shutdown", "block"); err == nil {
		t.Error("a shutdown can be blocked")
	}
}

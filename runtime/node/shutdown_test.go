package node

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"workbench/cluster/event"
	"workbench/runtime/logind"
)

// late takes an inhibitor, and lets it go when it was told of a shutdown.
func late() error {
	conn, err := dbus.Connect("unix:path=" + logind.Socket)
	if err != nil {
		return err
	}
	const manager = "org.freedesktop.login1.Manager"
	var fd uint32
	err = conn.Object("org.freedesktop.login1", "/org/freedesktop/login1").Call(manager+".Inhibit", 0, "shutdown", "late", "it takes its time", "delay").Store(&fd)
	if err != nil {
		return err
	}
	if err := conn.AddMatchSignal(dbus.WithMatchInterface(manager), dbus.WithMatchMember("PrepareForShutdown")); err != nil {
		return err
	}
	signals := make(chan *dbus.Signal, 1)
	conn.Signal(signals)
	fmt.Println("armed")
	<-signals
	fmt.Println("told")
	if err := unix.Close(int(fd)); err != nil {
		return err
	}
	untilTerminated()
	return nil
}

func lateComponent() Component {
	return Component{Name: "late", Path: "/opt/test/" + lateRole, Log: "/var/log/late.log", Grace: patience}
}

// awaitInhibitors waits until so many may delay a shutdown.
func awaitInhibitors(r *rig, count int) event.NodeInhibitors {
	r.t.Helper()
	return awaitBody(r, fmt.Sprintf("%d inhibitors", count), func(e event.NodeInhibitors) bool { return len(e.Inhibitors) == count })
}

// TestGracefulShutdown announces a shutdown to a component that delays it.
func TestGracefulShutdown(t *testing.T) {
	r := bootNode(t)
	if err := r.Start(t.Context(), lateComponent()); err != nil {
		t.Fatal(err)
	}
	e := awaitInhibitors(r, 1)
	if i := e.Inhibitors[0]; e.Node != "n1" || i.Who != "late" || i.Why == "" || i.PID <= 1 || e.Limit != 5*time.Second {
		t.Errorf("told %+v", e)
	}
	awaitLog(r, "late", "armed")
	if err := r.Announce(t.Context()); err != nil {
		t.Fatal(err)
	}
	announced := awaitBody(r, "the announcement", func(e event.NodeShutdown) bool { return e.Phase == event.ShutdownAnnounced })
	if !slices.Equal(announced.Waits, []string{"late"}) || announced.Limit != 5*time.Second {
		t.Errorf("announced as %+v", announced)
	}
	released := awaitBody(r, "the release", func(e event.NodeShutdown) bool { return e.Phase != event.ShutdownAnnounced })
	if released.Phase != event.ShutdownReleased || len(released.Waits) > 0 || released.Took <= 0 {
		t.Errorf("released as %+v", released)
	}
	awaitLog(r, "late", "told")
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-r.Gone()
}

// TestPowerLossDuringShutdown holds that requests are served while a shutdown is
// delayed, and that the end of who delays it ends the wait.
func TestPowerLossDuringShutdown(t *testing.T) {
	r := bootNode(t)
	if err := r.Start(t.Context(), lateComponent()); err != nil {
		t.Fatal(err)
	}
	awaitInhibitors(r, 1)
	awaitLog(r, "late", "armed")
	if err := r.PauseComponent(t.Context(), "late", "so that it does not hear"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- r.Announce(t.Context()) }()
	awaitBody(r, "the announcement", func(e event.NodeShutdown) bool { return e.Phase == event.ShutdownAnnounced })
	if err := r.KillComponent(t.Context(), "late", "a test"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	released := awaitBody(r, "the release", func(e event.NodeShutdown) bool { return e.Phase != event.ShutdownAnnounced })
	if released.Phase != event.ShutdownReleased {
		t.Errorf("ended as %+v", released)
	}
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := r.Announce(t.Context()); err != nil {
		t.Errorf("a node that is gone delays its shutdown: %v", err)
	}
}

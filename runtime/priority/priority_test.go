package priority_test

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"workbench/runtime/priority"
)

// TestSet holds that all threads, and children of any, have the priority.
func TestSet(t *testing.T) {
	const nice = 3 // more than before is open to everybody
	if os.Getenv("PRIORITY_TEST") == "" {
		// In a process of its own: not everybody may go back.
		cmd := exec.Command(os.Args[0], "-test.run=TestSet", "-test.v")
		cmd.Env = append(os.Environ(), "PRIORITY_TEST=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	runtime.LockOSThread()
	held, others := make(chan struct{}), 4
	ready := make(chan struct{})
	for range others {
		go func() { // on a thread of its own
			runtime.LockOSThread()
			ready <- struct{}{}
			<-held
		}()
		<-ready
	}
	if err := priority.Set(nice); err != nil {
		t.Fatal(err)
	}
	close(held)
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		raw, err := os.ReadFile("/proc/self/task/" + thread.Name() + "/stat")
		if err != nil {
			continue // it ended
		}
		_, rest, _ := strings.Cut(string(raw), ") ")
		if got := strings.Fields(rest)[16]; got != "3" {
			t.Errorf("thread %s of %d has nice value %s", thread.Name(), len(threads), got)
		}
	}
	child := make(chan string)
	go func() {
		out, err := exec.Command("cut", "-d", " ", "-f", "19", "/proc/self/stat").Output()
		if err != nil {
			t.Error(err)
		}
		child <- strings.TrimSpace(string(out))
	}()
	if got := <-child; got != "3" {
		t.Errorf("a child has nice value %s", got)
	}
	if err := priority.Set(-21); err == nil && unix.Geteuid() != 0 {
		t.Error("anybody may come first")
	}
}

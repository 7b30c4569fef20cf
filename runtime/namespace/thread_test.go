package namespace_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"workbench/runtime/namespace"
	"workbench/runtime/namespace/namespacetest"
)

// where is the network namespace of this thread.
func where() (string, error) { return os.Readlink("/proc/thread-self/ns/net") }

// TestDo holds that work is done where it is to be, whatever else is done at the
// same time, and that nothing else ever runs there.
func TestDo(t *testing.T) {
	home, err := where()
	if err != nil {
		t.Fatal(err)
	}
	first, _ := namespacetest.Net(t)
	second, _ := namespacetest.Net(t)
	at := map[*namespace.Net]string{}
	for _, ns := range []*namespace.Net{first, second} {
		if err := ns.Do(func() (err error) { at[ns], err = where(); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if at[first] == at[second] || at[first] == home || at[second] == home {
		t.Fatalf("here is %s, the others %s and %s", home, at[first], at[second])
	}
	var all sync.WaitGroup
	for i := range 64 {
		ns := []*namespace.Net{first, second}[i%2]
		all.Go(func() {
			for range 20 {
				err := ns.Do(func() error {
					if is, err := where(); err != nil || is != at[ns] {
						return fmt.Errorf("work for %s was done in %s: %w", at[ns], is, err)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				if is, err := where(); err != nil || is != home {
					t.Errorf("a goroutine is in %s, want %s: %v", is, home, err)
				}
			}
		})
	}
	all.Wait()
}

// TestDoLetsGo holds that a thread that did something in a namespace does not keep
// it: with its last process it is gone.
func TestDoLetsGo(t *testing.T) {
	ns, _ := namespacetest.Net(t)
	is := ""
	if err := ns.Do(func() (err error) { is, err = where(); return err }); err != nil {
		t.Fatal(err)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		if at, err := os.Readlink("/proc/self/task/" + thread.Name() + "/ns/net"); err == nil && at == is {
			t.Errorf("thread %s is still in %s", thread.Name(), at)
		}
	}
}

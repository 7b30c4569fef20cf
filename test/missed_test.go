package test

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// testWatchFailover kills the etcd member that the changes are watched through,
// while objects change, and holds the journal to etcd's own history: each change
// is there, in order, once.
func testWatchFailover(t *testing.T, lab *harness.Lab) {
	began := lab.World().Seq
	from := write(t, lab, "before")
	member := watchedMember(t, lab)
	killed := lab.World().Seq
	lab.Must("component", "kill", member+"/etcd", "--yes")
	upTo := from
	for i := range 5 {
		upTo = write(t, lab, fmt.Sprint("during-", i))
	}
	lab.Await("the changes through another member", func(w *state.World) bool { return w.Changes.Revision >= upTo })
	lab.Must("component", "start", member+"/etcd")
	whole(lab)
	lost := false
	var told []int64
	for _, e := range lab.Events(began) {
		switch b := e.Body.(type) {
		case event.SourceState:
			lost = lost || b.Source == "changes" && !b.OK && e.Seq > killed
		case event.KubeChange:
			if b.Revision >= from && b.Revision <= upTo {
				told = append(told, b.Revision)
			}
		case event.KubeGap:
			t.Errorf("revisions %d to %d were missed: %s", b.From, b.To, b.Reason)
		}
	}
	if !lost {
		t.Errorf("the watch did not lose %s", member)
	}
	if want := stored(t, lab, from, upTo); !slices.Equal(told, want) {
		t.Errorf("revisions in the journal:\n%v\nin etcd:\n%v", told, want)
	}
}

// testWatchCompaction lets etcd forget changes while the supervisor cannot reach
// it: a gap tells which, what they left is found, and all that follows is told.
func testWatchCompaction(t *testing.T, lab *harness.Lab) {
	began := lab.World().Seq
	lab.Must("fault", "outside", "c1,c2,c3", "--for", "2m", "--yes")
	before := lab.Await("the watch to be lost", func(w *state.World) bool { return w.Lost["changes"].Detail != "" })
	// An object that nobody changes again: as custom resources are stored, of a kind that no API server serves.
	const key = "/registry/example.com/widgets/watched/gapped"
	for size := range 2 {
		lab.Must("etcdctl", "put", key, fmt.Sprintf(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"gapped","namespace":"watched","uid":"gapped"},"size":%d}`, size))
	}
	t.Cleanup(func() { lab.Must("etcdctl", "del", key) })
	known, now := before.Changes.Revision, int64(0)
	put := revisionOf(t, lab)
	for now < known+5 || now <= put { // leases go on being renewed; the object's own revision is to be forgotten
		now = revisionOf(t, lab)
	}
	lab.Must("etcdctl", "compaction", fmt.Sprint(now))
	lab.Must("heal", "--all")
	lab.Await("the gap", func(w *state.World) bool { return len(w.Changes.Gaps) > 0 && w.Lost["changes"].Detail == "" })
	whole(lab)
	upTo := write(t, lab, "after")
	lab.Await("what came after the gap", func(w *state.World) bool { return w.Changes.Revision >= upTo })
	var gaps []event.KubeGap
	var told []int64
	found := 0
	last := known
	for _, e := range lab.Events(began) {
		switch b := e.Body.(type) {
		case event.KubeGap:
			gaps = append(gaps, b)
		case event.KubeChange:
			switch {
			case b.Revision >= now && b.Revision <= upTo:
				told = append(told, b.Revision)
			case len(gaps) == 0:
				last = max(last, b.Revision)
			case b.Found && b.Name == "gapped":
				found++
			}
		}
	}
	if len(gaps) != 1 || gaps[0].From > last+1 || gaps[0].To != now-1 {
		t.Fatalf("after revision %d, compacted at %d, the gaps are %+v", last, now, gaps)
	}
	if found != 1 {
		t.Errorf("the object that changed within the gap was found %d times", found)
	}
	if want := stored(t, lab, now, upTo); !slices.Equal(told, want) {
		t.Errorf("revisions in the journal after the gap:\n%v\nin etcd:\n%v", told, want)
	}
}

// write changes an object and returns the revision of that.
func write(t *testing.T, lab *harness.Lab, value string) int64 {
	t.Helper()
	out := lab.Eventually("an object is changed", "kubectl", "-n", "watched", "annotate", "configmap", "kube-root-ca.crt", "test/step="+value, "--overwrite",
		"-o", "jsonpath={.metadata.resourceVersion}")
	revision, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// watchedMember is the node of the etcd member that the changes are read from.
func watchedMember(t *testing.T, lab *harness.Lab) string {
	t.Helper()
	endpoint := ""
	for _, e := range lab.Events(0) {
		if b, ok := e.Body.(event.SourceState); ok && b.Source == "changes" && b.OK {
			endpoint = b.Detail
		}
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range lab.World().Topology.Nodes {
		if n.IP == u.Hostname() {
			return n.Name
		}
	}
	t.Fatalf("no node has the address of the member %q", endpoint)
	return ""
}

var (
	modRevision    = regexp.MustCompile(`"mod_revision":\s*(\d+)`)
	headerRevision = regexp.MustCompile(`"revision":\s*(\d+)`)
)

// revisionOf is etcd's revision now.
func revisionOf(t *testing.T, lab *harness.Lab) int64 {
	t.Helper()
	out := lab.Must("etcdctl", "get", "/registry/none", "-w", "json")
	found := headerRevision.FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no revision in %s", out)
	}
	revision, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// stored are the revisions of changes that etcd has in its history.
func stored(t *testing.T, lab *harness.Lab, from, upTo int64) []int64 {
	t.Helper()
	p := lab.Begin("etcdctl", "watch", "/registry/", "--prefix", "--rev", fmt.Sprint(from), "-w", "json")
	lab.AwaitOutput(p, fmt.Sprintf(`"mod_revision":%d`, upTo))
	p.Signal(syscall.SIGINT)
	out, _ := lab.AwaitExit(p)
	var all []int64
	for _, found := range modRevision.FindAllStringSubmatch(out, -1) {
		if revision, err := strconv.ParseInt(found[1], 10, 64); err == nil && revision <= upTo {
			all = append(all, revision)
		}
	}
	return all
}

package test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// listedMember is what `etcdctl member list -w json` says of a member.
type listedMember struct {
	ID      uint64 `json:"ID"`
	Name    string `json:"name"`
	Learner bool   `json:"isLearner"`
}

// memberList is the membership by etcdctl's word, by name.
func memberList(t *testing.T, lab *harness.Lab) map[string]listedMember {
	t.Helper()
	var answer struct {
		Members []listedMember `json:"members"`
	}
	out := lab.Must("etcdctl", "member", "list", "-w", "json")
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("etcdctl member list: %v\n%s", err, out)
	}
	all := map[string]listedMember{}
	for _, m := range answer.Members {
		all[m.Name] = m
	}
	return all
}

// leaderByEtcd is the leader by etcdctl's word.
func leaderByEtcd(t *testing.T, lab *harness.Lab) string {
	t.Helper()
	for name, m := range memberList(t, lab) {
		if e := endpoints(t, lab)[strconv.FormatUint(m.ID, 16)]; e.Status.Leader == m.ID {
			return name
		}
	}
	return ""
}

// follower is a member that does not lead.
func follower(t *testing.T, lab *harness.Lab) string {
	t.Helper()
	leader := leaderByEtcd(t, lab)
	for name := range memberList(t, lab) {
		if name != leader {
			return name
		}
	}
	t.Fatal("there is no follower")
	return ""
}

// exists says whether kubectl finds an object.
func exists(lab *harness.Lab, kind, name string) bool {
	return lab.Run("kubectl", "get", kind, name).Code == 0
}

// testEtcdOperations operates etcd and asks etcdctl and kubectl what came of it.
func testEtcdOperations(t *testing.T, lab *harness.Lab) {
	heir := follower(t, lab)
	if out := lab.Must("etcd", "move-leader", heir); !strings.Contains(out, "etcdctl move-leader") {
		t.Errorf("move-leader says %q", out)
	}
	if now := leaderByEtcd(t, lab); now != heir {
		t.Errorf("%s leads after the leadership was moved to %s", now, heir)
	}
	lab.Refused([]string{"etcd", "move-leader", heir}, "leads already")
	lab.Refused([]string{"etcd", "move-leader", "w1"}, "worker")
	lab.Must("etcd", "compact")
	before := endpoints(t, lab)
	lab.Must("etcd", "defrag", "--all")
	for id, e := range endpoints(t, lab) {
		if was := before[id].Status.DBSize; e.Status.DBSize > was {
			t.Errorf("the database of %s grew from %d to %d bytes", id, was, e.Status.DBSize)
		}
	}
	began := lab.World().Seq
	testEtcdMembership(t, lab)
	steps := 0
	for _, e := range lab.Events(began) {
		if s, ok := e.Body.(event.OperationStep); ok && s.Text != "" {
			steps++
		}
	}
	if steps < 4 {
		t.Errorf("the journal holds %d steps of operations", steps)
	}
}

// testEtcdMembership removes a member, adds it as a learner, and gives it the vote.
func testEtcdMembership(t *testing.T, lab *harness.Lab) {
	t.Helper()
	name := follower(t, lab)
	was := memberList(t, lab)[name].ID
	lab.Refused([]string{"etcd", "remove", name}, "--yes", "etcd add-learner")
	lab.Must("etcd", "remove", name, "--yes")
	if _, in := memberList(t, lab)[name]; in {
		t.Errorf("%s is a member after it was removed", name)
	}
	lab.Await("the member to be out", func(w *state.World) bool { return w.Raft.Members[name].Out })
	other := follower(t, lab)
	lab.Refused([]string{"etcd", "promote", other}, "votes already")
	lab.Must("etcd", "add-learner", name)
	if m := memberList(t, lab)[name]; !m.Learner || m.ID == was {
		t.Errorf("the new member of %s is %+v, the old one had ID %d", name, m, was)
	}
	lab.Must("etcd", "promote", name)
	if m := memberList(t, lab)[name]; m.Learner || m.ID == 0 {
		t.Errorf("after it was promoted the member of %s is %+v", name, m)
	}
	whole(lab)
}

// testEtcdDisks damages the data of members, which etcd itself has to notice, and
// has them replaced.
func testEtcdDisks(t *testing.T, lab *harness.Lab) {
	for _, kind := range []string{"etcd-corrupt", "etcd-lose-disk"} {
		name := follower(t, lab)
		was := memberList(t, lab)[name].ID
		id := broken(t, lab, kind, name)
		if r := lab.Run("etcdctl", "endpoint", "health", "--endpoints", "https://"+ipOf(lab.World(), name)+":2379", "--command-timeout", "1s"); r.Code == 0 {
			t.Errorf("%s: etcdctl finds the member of %s healthy", kind, name)
		}
		// The API server beside that member fails until the balancer has seen it.
		lab.Await("the API to answer without the member of "+name, func(*state.World) bool { return exists(lab, "namespace", "default") })
		lab.Must("heal", id)
		if m := memberList(t, lab)[name]; m.ID == was || m.ID == 0 || m.Learner {
			t.Errorf("%s: after the heal the member of %s is %+v, before it had ID %d", kind, name, m, was)
		}
		whole(lab)
	}
	lab.Refused([]string{"fault", "etcd-lose-disk", "w1"}, "node with an etcd member")
}

// testEtcdRestore loses two disks of three, with them the quorum, and brings the
// cluster back from a snapshot: what was written before is there, what came after
// is not.
func testEtcdRestore(t *testing.T, lab *harness.Lab) {
	file := filepath.Join(t.TempDir(), "snapshot.db")
	lab.Kubectl("create", "configmap", "before-the-snapshot")
	lab.Must("etcd", "snapshot", "save", file)
	lab.Kubectl("create", "configmap", "after-the-snapshot")
	var lost []string
	for name := range memberList(t, lab) {
		if len(lost) < 2 {
			lost = append(lost, name)
		}
	}
	slices.Sort(lost)
	disks := strings.Join(lost, ",")
	lab.Refused([]string{"fault", "etcd-lose-disk", disks}, "loses its quorum", "only a snapshot", "--yes")
	broken(t, lab, "etcd-lose-disk", disks, "--yes")
	if r := lab.Run("etcdctl", "put", "/x", "y", "--command-timeout", "2s"); r.Code == 0 {
		t.Error("etcd takes a write with one disk of three")
	}
	lab.Refused([]string{"etcd", "restore", lab.File(), "--yes"}, "read snapshot")
	lab.Must("etcd", "restore", file, "--yes")
	if !exists(lab, "configmap", "before-the-snapshot") {
		t.Error("what was written before the snapshot is gone")
	}
	if exists(lab, "configmap", "after-the-snapshot") {
		t.Error("what was written after the snapshot is there")
	}
	if n := len(memberList(t, lab)); n != 3 {
		t.Errorf("etcd has %d members", n)
	}
	if w := whole(lab); len(w.Faults.Active) > 0 {
		t.Errorf("after the restore there are faults: %+v", w.Faults.Active)
	}
	lab.Kubectl("delete", "configmap", "before-the-snapshot")
}

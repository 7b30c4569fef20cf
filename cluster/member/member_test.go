package member_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"workbench/cluster/member"
)

// three is a healthy cluster that c1 leads.
func three() member.Cluster {
	return member.Cluster{
		{ID: 1, Node: "c1", Started: true, Leads: true, Term: 4, Index: 100, Revision: 90},
		{ID: 2, Node: "c2", Started: true, Term: 4, Index: 98, MatchOnLead: 99, Revision: 88},
		{ID: 3, Node: "c3", Started: true, Term: 4, Index: 97, MatchOnLead: 100, Revision: 89},
	}
}

func TestHeirHasMostOfTheLog(t *testing.T) {
	c := three()
	if heir, err := c.Heir(); err != nil || heir.Node != "c3" {
		t.Errorf("heir %s, %v", heir.Name(), err)
	}
	c[2].Learner = true
	if heir, err := c.Heir(); err != nil || heir.Node != "c2" {
		t.Errorf("with c3 a learner: heir %s, %v", heir.Name(), err)
	}
	c[1].Problem = "connection refused"
	if _, err := c.Heir(); err == nil {
		t.Error("a cluster with no other voter has an heir")
	}
	for i, says := range []string{"leads already", "connection refused", "learner"} {
		if err := c.CanLead(c[i]); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s can lead: %v, want %q", c[i].Name(), err, says)
		}
	}
}

func TestRemovable(t *testing.T) {
	c := three()
	if err := c.Removable(c[1]); err != nil {
		t.Errorf("a follower of three: %v", err)
	}
	c[2].Problem = "down"
	if err := c.Removable(c[2]); err != nil {
		t.Errorf("the one that is down: %v", err)
	}
	if err := c.Removable(c[1]); !errors.Is(err, member.ErrQuorum) {
		t.Errorf("one of the two that are up: %v", err)
	}
	c[1].Problem = "down"
	if err := c.Removable(c[2]); !errors.Is(err, member.ErrQuorum) || !strings.Contains(err.Error(), "etcd restore") {
		t.Errorf("without a quorum: %v", err)
	}
	if err := (member.Cluster{c[0]}).Removable(c[0]); !errors.Is(err, member.ErrQuorum) {
		t.Errorf("the only one: %v", err)
	}
	withLearner := append(member.Cluster{c[0]}, member.Member{ID: 9, Learner: true, Problem: "starting"})
	if err := withLearner.Removable(withLearner[1]); err != nil {
		t.Errorf("a learner: %v", err)
	}
}

func TestTolerance(t *testing.T) {
	c := three()
	if got := c.Tolerance(); got != "3 voters, 2 needed for a write: 1 may fail" {
		t.Error(got)
	}
	if got := append(c, member.Member{ID: 4, Problem: "down"}).Tolerance(); !strings.Contains(got, "no more than with 3") || !strings.Contains(got, "3 up now") {
		t.Error(got)
	}
}

// record is one record of a write-ahead log with so many bytes of data.
func record(size int) []byte {
	padding := (8 - size%8) % 8
	field := uint64(size)
	if padding != 0 {
		field |= uint64(0x80|padding) << 56
	}
	out := binary.LittleEndian.AppendUint64(nil, field)
	return append(out, make([]byte, size+padding)...)
}

func TestCorruptChangesOneByteOfARecord(t *testing.T) {
	dir := t.TempDir()
	wal := filepath.Join(dir, "member", "wal")
	if err := os.MkdirAll(wal, 0o700); err != nil {
		t.Fatal(err)
	}
	var log []byte
	for _, size := range []int{10, 20, 45, 61, 33} {
		log = append(log, record(size)...)
	}
	log = append(log, make([]byte, 4096)...) // preallocated
	file := filepath.Join(wal, "0000000000000001-0000000000000005.wal")
	for _, name := range []string{file, filepath.Join(wal, "0000000000000000-0000000000000000.wal")} {
		if err := os.WriteFile(name, log, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flip, err := member.Corrupt(dir)
	if err != nil {
		t.Fatal(err)
	}
	// 8+16, 8+24, 8+48, 8 and 61 bytes come before the end of the fourth record's data.
	if want := int64(24 + 32 + 56 + 8 + 60); flip.Offset != want || flip.File != filepath.Base(file) {
		t.Errorf("flipped %+v, want offset %d", flip, want)
	}
	now, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	for i := range now {
		if now[i] != log[i] {
			changed++
		}
	}
	if changed != 1 || now[flip.Offset] != 0xff {
		t.Errorf("%d bytes changed", changed)
	}
	if lost, err := member.Lose(dir); err != nil || lost != int64(2*len(log)) {
		t.Errorf("lost %d bytes, %v", lost, err)
	}
	if parts, err := os.ReadDir(dir); err != nil || len(parts) > 0 {
		t.Errorf("left: %v, %v", parts, err)
	}
	if _, err := member.Corrupt(dir); err == nil {
		t.Error("an empty directory can be corrupted")
	}
}

// Package raft is the tap inside an etcd member: role changes from the
// member's own Raft log, the moment they happen, and its status as the library
// exposes it (expvar raft.status), on change.
package raft

import (
	"context"
	"expvar"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/etcdserver"
	raftlib "go.etcd.io/raft/v3"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"workbench/cluster/event"
	"workbench/cluster/observe/tap"
)

// Interval between samples of the status; role changes do not wait for it.
const Interval = 200 * time.Millisecond

// Tap turns what one member does into events.
type Tap struct {
	node string
	out  *tap.Pipe
	log  *zap.Logger

	mu    sync.Mutex
	names map[string]string // member ID in hex -> node name

	membership event.RaftMembership // as told; this and led are Sample's own
	led        bool
}

// NewTap reports the member on a node to pipe.
func NewTap(node string, pipe *tap.Pipe) *Tap {
	return &Tap{node: node, out: pipe, names: map[string]string{}}
}

// Logger is a logger for the member: JSON lines to w, as etcd writes them, and
// the Raft lines to the tap.
func (t *Tap) Logger(w *os.File) (*zap.Logger, error) {
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	file := zapcore.NewCore(zapcore.NewJSONEncoder(encoder), zapcore.Lock(w), zapcore.InfoLevel)
	t.log = zap.New(zapcore.NewTee(file, &core{tap: t}), zap.AddCaller())
	return t.log, nil
}

// warn writes a line to the member's log.
func (t *Tap) warn(what string, err error) {
	if t.log != nil {
		t.log.Warn(what, zap.Error(err))
	}
}

// core is the hook in the member's log.
type core struct{ tap *Tap }

// Enabled implements zapcore.Core.
func (c *core) Enabled(l zapcore.Level) bool { return l >= zapcore.InfoLevel }

// With implements zapcore.Core.
func (c *core) With([]zapcore.Field) zapcore.Core { return c }

// Check implements zapcore.Core.
func (c *core) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.LoggerName == "raft" && c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write implements zapcore.Core.
func (c *core) Write(e zapcore.Entry, _ []zapcore.Field) error {
	c.tap.line(e.Time, e.Message)
	return nil
}

// Sync implements zapcore.Core.
func (c *core) Sync() error { return nil }

var (
	// became matches raft.go's becomeFollower, becomeCandidate, ...
	became   = regexp.MustCompile(`^[0-9a-f]+ became (follower|candidate|pre-candidate|leader) at term (\d+)$`)
	memberID = regexp.MustCompile(`\b[0-9a-f]{13,16}\b`)
)

func (t *Tap) line(at time.Time, text string) {
	if m := became.FindStringSubmatch(text); m != nil {
		term, err := strconv.ParseUint(m[2], 10, 64)
		if err == nil {
			t.out.Emit(at, event.RaftRole{Node: t.node, Role: event.RaftRoleName(m[1]), Term: term})
		}
	}
	t.out.Emit(at, event.RaftLog{Node: t.node, Text: memberID.ReplaceAllStringFunc(text, t.name)})
}

// name is the node of a member, or its ID where it is not known yet.
func (t *Tap) name(id string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if name, ok := t.names[id]; ok {
		return name
	}
	return id
}

// Sample reports the member's status on every change until ctx ends, and how
// its log and disk fare where that is wanted.
func (t *Tap) Sample(ctx context.Context, server *etcdserver.EtcdServer, withLog bool) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	more := func(*event.RaftStatus) {}
	if withLog {
		log, disk := newEntries(t, server.Cfg.WALDir()), newDisk(t)
		defer log.close()
		var following sync.WaitGroup
		defer following.Wait()
		following.Go(func() { log.revs.follow(ctx, server.KV()) })
		more = func(s *event.RaftStatus) {
			s.Last = max(s.Last, log.poll())
			log.report(ctx, time.Now(), s.Role == event.RaftLeader, s.Applied)
			disk.report(time.Now(), server)
		}
	}
	var last event.RaftStatus
	for {
		now := t.status(server)
		t.tellMembers(server, now.Role)
		more(&now)
		if now.Role != "" && !reflect.DeepEqual(now, last) {
			t.out.Emit(time.Now(), now)
			last = now
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// dbStep rounds the size of the database, which otherwise changes with every
// write.
const dbStep = 64 << 10

func (t *Tap) status(server *etcdserver.EtcdServer) event.RaftStatus {
	t.learnNames(server)
	s := event.RaftStatus{Node: t.node, MemberID: server.MemberID().String()}
	v, ok := expvar.Get("raft.status").(expvar.Func)
	if !ok {
		return s
	}
	st, ok := v.Value().(raftlib.Status)
	if !ok || st.ID == 0 {
		return s
	}
	s.Role = roles[st.RaftState]
	if server.IsLearner() {
		s.Role = event.RaftLearner
	}
	if st.HardState != nil {
		s.Term, s.Commit, s.Vote = st.GetTerm(), st.GetCommit(), t.member(st.GetVote())
	}
	s.Lead, s.Applied = t.member(st.Lead), st.Applied
	if be := server.Backend(); be != nil {
		s.DBBytes = (be.Size() + dbStep - 1) / dbStep * dbStep
	}
	for id, p := range st.Progress {
		if id == st.ID {
			s.Last = p.Match
			continue
		}
		if s.Progress == nil {
			s.Progress = map[string]event.RaftProgress{}
		}
		inflight := 0
		if p.Inflights != nil {
			inflight = p.Inflights.Count()
		}
		s.Progress[t.member(id)] = event.RaftProgress{
			Match: p.Match, Next: p.Next, State: p.State.String(), Inflight: inflight,
			RecentActive: p.RecentActive, Paused: p.IsPaused(), Learner: p.IsLearner,
			PendingSnapshot: p.PendingSnapshot,
		}
	}
	return s
}

var roles = map[raftlib.StateType]event.RaftRoleName{
	raftlib.StateFollower:     event.RaftFollower,
	raftlib.StateCandidate:    event.RaftCandidate,
	raftlib.StateLeader:       event.RaftLeader,
	raftlib.StatePreCandidate: event.RaftPreCandidate,
}

// member is the node of a member ID; "" for none.
func (t *Tap) member(id uint64) string {
	if id == 0 {
		return ""
	}
	return t.name(memberName(id))
}

func (t *Tap) learnNames(server *etcdserver.EtcdServer) {
	names := map[string]string{}
	for _, m := range server.Cluster().Members() {
		if m.Name != "" {
			names[m.ID.String()] = m.Name
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !maps.Equal(names, t.names) {
		t.names = names
	}
}

// tellMembers reports who belongs to the cluster, on change and when this member
// becomes leader, whose word counts.
func (t *Tap) tellMembers(server *etcdserver.EtcdServer, role event.RaftRoleName) {
	now := event.RaftMembership{Node: t.node}
	for _, m := range server.Cluster().Members() {
		now.Members = append(now.Members, event.RaftMember{ID: m.ID.String(), Name: m.Name, Learner: m.IsLearner})
	}
	slices.SortFunc(now.Members, func(a, b event.RaftMember) int { return strings.Compare(a.ID, b.ID) })
	leads := role == event.RaftLeader
	if len(now.Members) > 0 && (!reflect.DeepEqual(now, t.membership) || leads && !t.led) {
		t.out.Emit(time.Now(), now)
		t.membership = now
	}
	t.led = leads
}

// Log is the member's logger; it is made by Logger.
func (t *Tap) Log() *zap.Logger { return t.log }

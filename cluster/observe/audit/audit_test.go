package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authnv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	auditapi "k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"workbench/cluster/event"
)

// pipe keeps what is emitted.
type pipe struct {
	mu     sync.Mutex
	events []event.KubeRequests
}

func (p *pipe) Emit(_ time.Time, body event.Body) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, body.(event.KubeRequests))
}

var received = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

func completed(id, verb, resource, name, answer string) *auditapi.Event {
	e := &auditapi.Event{
		AuditID: types.UID(id), Stage: auditapi.StageResponseComplete, Verb: verb, Level: auditapi.LevelRequestResponse,
		User: authnv1.UserInfo{Username: "alice"}, UserAgent: "kubectl/v1.37.2 (linux)", SourceIPs: []string{"6.6.6.6", "10.0.0.1"},
		ObjectRef:      &auditapi.ObjectReference{Resource: resource, Namespace: "demo", Name: name},
		ResponseStatus: &metav1.Status{Code: 200}, RequestReceivedTimestamp: metav1.NewMicroTime(received),
		StageTimestamp: metav1.NewMicroTime(received.Add(12 * time.Millisecond)),
	}
	if answer != "" {
		e.ResponseObject = &runtime.Unknown{Raw: []byte(answer)}
	}
	return e
}

func run(t *testing.T, events ...*auditapi.Event) event.KubeRequests {
	t.Helper()
	p := &pipe{}
	s := NewSink("c1", p)
	if err := s.Run(nil); err != nil {
		t.Fatal(err)
	}
	if !s.ProcessEvents(events...) {
		t.Error("an audit sink must never fail a request")
	}
	s.Shutdown()
	var all event.KubeRequests
	for _, e := range p.events {
		all.Node = e.Node
		all.Requests = append(all.Requests, e.Requests...)
		all.Reads = append(all.Reads, e.Reads...)
		all.Opened = append(all.Opened, e.Opened...)
		all.Ended = append(all.Ended, e.Ended...)
		all.Dropped += e.Dropped
	}
	return all
}

func TestWritesAreToldWithTheirRevision(t *testing.T) {
	as := completed("2", "delete", "pods", "web", `{"kind":"Status","status":"Success","details":{"name":"web","uid":"u2"}}`)
	as.ImpersonatedUser = &authnv1.UserInfo{Username: "bob"}
	bind := completed("3", "create", "pods", "web", `{"kind":"Status","metadata":{},"code":201}`)
	bind.ObjectRef.Subresource, bind.ObjectRef.UID = "binding", "u3"
	refused := completed("5", "update", "pods", "web", `{"kind":"Status","code":409}`)
	refused.ResponseStatus = &metav1.Status{Code: 409, Reason: metav1.StatusReasonConflict}
	got := run(t,
		completed("1", "create", "pods", "", `{"kind":"Pod","metadata":{"name":"web-x","uid":"u1","resourceVersion":"77"},"spec":{"secret":"canary"}}`), as, bind,
		completed("4", "deletecollection", "pods", "", `{"kind":"PodList","metadata":{"resourceVersion":"90"},"items":[{"metadata":{"uid":"a","resourceVersion":"88"}},{"metadata":{"uid":"b","resourceVersion":"89"}}]}`),
		refused)
	want := []string{
		`1 create web-x alice/ 10.0.0.1 200 12ms [{u1 77}] `, `2 delete web alice/bob 10.0.0.1 200 12ms [{u2 0}] `,
		`3 create web alice/ 10.0.0.1 200 12ms [{u3 0}] `, `4 deletecollection  alice/ 10.0.0.1 200 12ms [{a 88} {b 89}] `, `5 update web alice/ 10.0.0.1 409 12ms [] Conflict`,
	}
	var lines []string
	for _, r := range got.Requests {
		lines = append(lines, fmt.Sprintf("%s %s %s %s/%s %s %d %v %v %s", r.ID, r.Verb, r.Name, r.User, r.As, r.Source, r.Code, r.Latency, r.Objects, r.Reason))
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	raw, err := json.Marshal(got)
	if err != nil || strings.Contains(string(raw), "canary") {
		t.Errorf("%v: a body left the process: %s", err, raw)
	}
}

func TestReadsAreCountedAndWatchesListed(t *testing.T) {
	opened := completed("w1", "watch", "pods", "", "")
	opened.Stage = auditapi.StageResponseStarted
	brief := completed("w2", "watch", "pods", "", "")
	brief.Stage = auditapi.StageResponseStarted
	got := run(t, completed("1", "get", "pods", "a", ""), completed("2", "get", "pods", "b", ""), opened, brief,
		completed("w2", "watch", "pods", "", ""), completed("w0", "watch", "pods", "", ""), completed("3", "create", "tokenreviews", "", ""))
	if len(got.Requests) != 0 || len(got.Opened) != 1 || got.Opened[0].ID != "w1" || !slices.Equal(got.Ended, []string{"w0"}) {
		t.Errorf("%+v", got)
	}
	counts := map[string]int64{}
	for _, r := range got.Reads {
		counts[r.Verb+" "+r.Resource] = r.Count
	}
	if counts["get pods"] != 2 || counts["watch pods"] != 2 || counts["create tokenreviews"] != 1 {
		t.Errorf("%v", counts)
	}
}

// A sink that nobody empties drops and counts; it does not block.
func TestAFullQueueDrops(t *testing.T) {
	p := &pipe{}
	s := NewSink("c1", p)
	for range queued + 10 {
		s.ProcessEvents(completed("x", "update", "pods", "a", ""))
	}
	if err := s.Run(nil); err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	dropped, told := int64(0), 0
	for _, e := range p.events {
		dropped += e.Dropped
		told += len(e.Requests)
		if len(e.Requests) > batch {
			t.Errorf("a batch of %d", len(e.Requests))
		}
	}
	if dropped != 10 || told != queued {
		t.Errorf("%d dropped, %d told", dropped, told)
	}
}

// policy is a user's: metadata of pods, nothing else.
type policy struct{}

func (policy) EvaluatePolicyRule(a authorizer.Attributes) audit.RequestAuditConfig {
	if a.GetResource() == "pods" && a.GetName() == "" {
		return audit.RequestAuditConfig{Level: auditapi.LevelMetadata, OmitStages: []auditapi.Stage{auditapi.StageRequestReceived}}
	}
	return audit.RequestAuditConfig{Level: auditapi.LevelNone}
}

type backend struct{ got []*auditapi.Event }

func (b *backend) ProcessEvents(e ...*auditapi.Event) bool { b.got = append(b.got, e...); return true }
func (*backend) Run(<-chan struct{}) error                 { return nil }
func (*backend) Shutdown()                                 {}
func (*backend) String() string                            { return "user's" }

// A user's own audit backend gets what the user's policy says, though the tap
// asks for more.
func TestAUsersBackendKeepsItsPolicy(t *testing.T) {
	theirs := &backend{}
	f := newFiltered(theirs, policy{})
	first := completed("1", "create", "pods", "", "")
	first.Stage = auditapi.StageRequestReceived
	f.ProcessEvents(first)
	// By now the server has named the object, which the policy would not match.
	f.ProcessEvents(completed("1", "create", "pods", "web-x", `{"secret":"canary"}`), completed("2", "create", "secrets", "s", `{"data":"canary"}`))
	if len(theirs.got) != 1 || theirs.got[0].AuditID != "1" || theirs.got[0].ResponseObject != nil || theirs.got[0].Level != auditapi.LevelMetadata {
		t.Errorf("%+v", theirs.got)
	}
	if len(f.open) != 0 {
		t.Errorf("%d requests are kept", len(f.open))
	}
	cfg := evaluator{theirs: policy{}}.EvaluatePolicyRule(authorizer.AttributesRecord{Verb: "create", Resource: "pods", ResourceRequest: true})
	if cfg.Level != auditapi.LevelRequestResponse || len(cfg.OmitStages) != 0 {
		t.Errorf("%+v", cfg)
	}
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		verb, resource, sub string
		resourceRequest     bool
		want                auditapi.Level
	}{
		{"get", "", "", false, auditapi.LevelNone}, {"get", "pods", "", true, auditapi.LevelMetadata}, {"watch", "pods", "", true, auditapi.LevelMetadata},
		{"patch", "pods", "status", true, auditapi.LevelRequestResponse}, {"create", "secrets", "", true, auditapi.LevelRequestResponse},
		{"create", "serviceaccounts", "token", true, auditapi.LevelMetadata}, {"create", "pods", "exec", true, auditapi.LevelMetadata},
		{"create", "subjectaccessreviews", "", true, auditapi.LevelMetadata},
	} {
		a := authorizer.AttributesRecord{Verb: c.verb, Resource: c.resource, Subresource: c.sub, ResourceRequest: c.resourceRequest}
		if got := level(a); got != c.want {
			t.Errorf("%s %s/%s: %s", c.verb, c.resource, c.sub, got)
		}
	}
}

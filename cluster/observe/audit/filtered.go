package audit

import (
	"net/url"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	auditapi "k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// filtered is the user's own backend: it gets what the user's policy asks for,
// whatever the tap needs beyond that.
type filtered struct {
	audit.Backend
	policy audit.PolicyRuleEvaluator

	mu   sync.Mutex
	open map[types.UID]audit.RequestAuditConfig // of requests that are under way
}

func newFiltered(b audit.Backend, policy audit.PolicyRuleEvaluator) *filtered {
	return &filtered{Backend: b, policy: policy, open: map[types.UID]audit.RequestAuditConfig{}}
}

// ProcessEvents implements audit.Sink.
func (f *filtered) ProcessEvents(events ...*auditapi.Event) bool {
	var keep []*auditapi.Event
	for _, e := range events {
		cfg := f.config(e)
		if cfg.Level == auditapi.LevelNone || slices.Contains(cfg.OmitStages, e.Stage) {
			continue
		}
		if cfg.Level != e.Level {
			e = e.DeepCopy()
			e.Level = cfg.Level
			if cfg.Level.Less(auditapi.LevelRequest) {
				e.RequestObject = nil
			}
			if cfg.Level.Less(auditapi.LevelRequestResponse) {
				e.ResponseObject = nil
			}
		}
		keep = append(keep, e)
	}
	if len(keep) == 0 {
		return true
	}
	return f.Backend.ProcessEvents(keep...)
}

// config is what the user's policy says of a request. It is asked when the
// request is received, as upstream does: later the event knows more of it, such
// as a generated name.
func (f *filtered) config(e *auditapi.Event) audit.RequestAuditConfig {
	f.mu.Lock()
	defer f.mu.Unlock()
	cfg, ok := f.open[e.AuditID]
	if !ok {
		cfg = f.policy.EvaluatePolicyRule(attributes(e))
		f.open[e.AuditID] = cfg
	}
	if e.Stage == auditapi.StageResponseComplete || e.Stage == auditapi.StagePanic {
		delete(f.open, e.AuditID)
	}
	return cfg
}

// attributes are those that the request was authorized by.
func attributes(e *auditapi.Event) authorizer.Attributes {
	a := authorizer.AttributesRecord{
		Verb: e.Verb, User: &user.DefaultInfo{Name: e.User.Username, UID: e.User.UID, Groups: e.User.Groups}, Path: e.RequestURI,
	}
	if u, err := url.Parse(e.RequestURI); err == nil {
		a.Path = u.Path
	}
	if r := e.ObjectRef; r != nil {
		a.ResourceRequest = true
		a.APIGroup, a.APIVersion, a.Resource, a.Subresource = r.APIGroup, r.APIVersion, r.Resource, r.Subresource
		a.Namespace, a.Name = r.Namespace, r.Name
	}
	return a
}

// Package audit is the tap inside kube-apiserver: its own audit stream, in the
// process, without a file or webhook. It says who asked for what: user, verb,
// agent, latency, answer; and for a write which revision it made, which is what
// joins it with the change in etcd.
//
//	request handlers -- ProcessEvents (never blocks) --> queue --> one goroutine: fold reads, batch writes --> tap.Pipe
//
// Of request and response bodies nothing leaves the process but the UID and the
// resourceVersion of the answer.
package audit

import (
	"slices"
	"strings"

	auditapi "k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/server"
)

// Install puts the tap into a server's configuration, beside an audit backend
// and policy that the user's flags made.
func Install(sink *Sink, configs ...*server.Config) {
	for _, c := range configs {
		theirs, policy := c.AuditBackend, c.AuditPolicyRuleEvaluator
		c.AuditPolicyRuleEvaluator = evaluator{theirs: policy}
		c.AuditBackend = sink
		if theirs != nil && policy != nil {
			c.AuditBackend = audit.Union(sink, newFiltered(theirs, policy))
		}
	}
}

// evaluator asks for what the sink needs, or more where the user's policy does.
type evaluator struct{ theirs audit.PolicyRuleEvaluator }

// EvaluatePolicyRule implements audit.PolicyRuleEvaluator.
func (e evaluator) EvaluatePolicyRule(a authorizer.Attributes) audit.RequestAuditConfig {
	ours := audit.RequestAuditConfig{Level: level(a), OmitStages: []auditapi.Stage{auditapi.StageRequestReceived}}
	if e.theirs == nil {
		return ours
	}
	theirs := e.theirs.EvaluatePolicyRule(a)
	ours.OmitManagedFields = theirs.OmitManagedFields
	if ours.Level.Less(theirs.Level) {
		ours.Level = theirs.Level
	}
	ours.OmitStages = nil // filtered looks at all stages
	return ours
}

// level is what the sink needs of a request: of a write the answer, for its
// revision; of all else on resources the metadata.
func level(a authorizer.Attributes) auditapi.Level {
	switch {
	case !a.IsResourceRequest():
		return auditapi.LevelNone
	case writes(a.GetVerb()) && stored(a.GetResource(), a.GetSubresource()):
		return auditapi.LevelRequestResponse
	}
	return auditapi.LevelMetadata
}

// writes says whether a verb may change what is stored.
func writes(verb string) bool {
	return slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, verb)
}

// stored says whether what a write to the resource answers with is in etcd:
// reviews are not, nor are tokens and streams.
func stored(resource, subresource string) bool {
	switch subresource {
	case "token", "exec", "attach", "portforward", "proxy":
		return false
	}
	return !strings.HasSuffix(resource, "reviews")
}

package audit

import (
	"encoding/json"
	"strconv"

	auditapi "k8s.io/apiserver/pkg/apis/audit"

	"workbench/cluster/event"
)

// seen is what the sink keeps of an audit event.
type seen struct {
	event.KubeRequest
	asked   event.ObjectRevision
	started bool   // a watch that began; else the request is complete
	answer  []byte // JSON of the response object; it does not leave this process
}

// Bounds of what clients say of themselves.
const (
	maxName = 256
	maxUser = 128
)

func look(e *auditapi.Event) seen {
	r := e.ObjectRef
	s := seen{started: e.Stage == auditapi.StageResponseStarted, KubeRequest: event.KubeRequest{
		ID: string(e.AuditID), Verb: e.Verb, User: clip(e.User.Username, maxUser), Agent: clip(e.UserAgent, maxUser),
		Group: r.APIGroup, Resource: r.Resource, Subresource: r.Subresource, Namespace: r.Namespace, Name: clip(r.Name, maxName),
		Received: e.RequestReceivedTimestamp.UTC(), Latency: e.StageTimestamp.Sub(e.RequestReceivedTimestamp.Time),
	}}
	if e.ImpersonatedUser != nil {
		s.As = clip(e.ImpersonatedUser.Username, maxUser)
	}
	if n := len(e.SourceIPs); n > 0 {
		s.Source = clip(e.SourceIPs[n-1], maxUser) // the others are the client's word
	}
	if e.ResponseStatus != nil {
		s.Code = e.ResponseStatus.Code
		if s.Code >= 400 {
			s.Reason = string(e.ResponseStatus.Reason)
		}
	}
	if r.UID != "" && s.Code < 400 {
		// What a binding answers with names nothing, what it asks for does.
		s.asked = event.ObjectRevision{UID: string(r.UID)}
	}
	if e.ResponseObject != nil && s.Code < 400 {
		s.answer = e.ResponseObject.Raw
	}
	return s
}

func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return text[:n]
}

// answer is as much of a response as is looked at: an object, a Status that
// names one, or a list.
type answer struct {
	Metadata struct {
		Name            string `json:"name"`
		UID             string `json:"uid"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Details struct {
		UID string `json:"uid"`
	} `json:"details"`
	Items []struct {
		Metadata struct {
			UID             string `json:"uid"`
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	} `json:"items"`
}

// maxObjects of a deletecollection are named.
const maxObjects = 128

// read fills in the objects of the answer, and the name that the server gave.
func (s *seen) read() {
	if s.answer != nil {
		s.readAnswer()
	}
	if len(s.Objects) == 0 && s.asked.UID != "" {
		s.Objects = []event.ObjectRevision{s.asked}
	}
}

func (s *seen) readAnswer() {
	var a answer
	err := json.Unmarshal(s.answer, &a)
	s.answer = nil
	if err != nil {
		return // no object: what was asked for is known all the same
	}
	if s.Name == "" {
		s.Name = clip(a.Metadata.Name, maxName)
	}
	switch {
	case a.Metadata.UID != "":
		s.Objects = []event.ObjectRevision{{UID: a.Metadata.UID, Revision: revision(a.Metadata.ResourceVersion)}}
	case a.Details.UID != "":
		s.Objects = []event.ObjectRevision{{UID: a.Details.UID}}
	}
	for _, item := range a.Items[:min(len(a.Items), maxObjects)] {
		s.Objects = append(s.Objects, event.ObjectRevision{UID: item.Metadata.UID, Revision: revision(item.Metadata.ResourceVersion)})
	}
}

func revision(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

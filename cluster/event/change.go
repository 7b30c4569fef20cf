package event

import "time"

func init() {
	register[KubeChange]()
	register[KubeGap]()
	register[KubeRequests]()
	register[KubeLag]()
}

// ChangeVerb is what a revision did to an object.
type ChangeVerb string

// The verbs of a change.
const (
	ChangeCreate ChangeVerb = "create"
	ChangeUpdate ChangeVerb = "update"
	ChangeDelete ChangeVerb = "delete"
)

// KubeChange is one revision of one object as etcd stored it: the truth, in
// commit order, for every resource, custom ones included. No value of a Secret
// is in it.
type KubeChange struct {
	// Revision is etcd's: the object's resourceVersion after the change.
	Revision int64 `json:"revision"`
	// Previous is the revision that it replaced; 0 for a create.
	Previous int64      `json:"previous,omitempty"`
	Verb     ChangeVerb `json:"verb"`
	Group    string     `json:"group,omitempty"`
	// Resource is the plural name, as in URLs: pods.
	Resource  string `json:"resource"`
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
	// Generation is metadata.generation; 0 where the kind has none.
	Generation int64         `json:"generation,omitempty"`
	Owners     []ChangeOwner `json:"owners,omitempty"`
	// Refs are the UIDs of objects that the changed part refers to: the pods of
	// an EndpointSlice's endpoints, what an Event regards.
	Refs []string `json:"refs,omitempty"`
	// Manager is the field manager whose entry in managedFields the write
	// renewed; "" where the object does not tell.
	Manager string `json:"manager,omitempty"`
	// Fields say what is different, in the order of their paths.
	Fields []FieldChange `json:"fields,omitempty"`
	// Omitted counts fields that are different, too, and left out for size.
	Omitted int `json:"omitted,omitempty"`
	// Bytes is the size of the value in etcd; 0 after a delete.
	Bytes int `json:"bytes,omitempty"`
	// Heartbeat says that the change only renewed a time: a lease, a node's
	// conditions, the workbench's own write probe.
	Heartbeat bool `json:"heartbeat,omitempty"`
	// Expires says that the key hangs on a lease of etcd: its delete may be the
	// end of its time to live, which nobody asks for.
	Expires bool `json:"expires,omitempty"`
	// Found says that the change itself was missed, in a gap: the object was found
	// in the state of this revision afterwards, and what was different is not known.
	Found bool `json:"found,omitempty"`
}

// ChangeOwner is an ownerReference.
type ChangeOwner struct {
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Controller bool   `json:"controller,omitempty"`
}

// FieldChange is one difference between two revisions of an object. A text
// value stands as it is, any other as JSON; "" is no value (the empty text is
// `""`). A long value is cut, and tells its size and hash.
type FieldChange struct {
	// Path names list items by their key: status.conditions[Ready].status.
	Path string `json:"path"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
	// Manager is the field manager that owns the path after the change.
	Manager string `json:"manager,omitempty"`
}

// KubeGap says that changes were missed: revisions From to To, both included,
// are not in the journal.
type KubeGap struct {
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	Reason string `json:"reason"`
}

// KubeRequests is what one API server did in a moment, as its audit sink saw
// it: writes one by one, reads as counts, watches as they open and end. Of a
// body nothing is in it but UID and revision.
type KubeRequests struct {
	// Node of the API server.
	Node     string        `json:"node"`
	Requests []KubeRequest `json:"requests,omitempty"`
	Reads    []KubeReads   `json:"reads,omitempty"`
	Opened   []KubeWatch   `json:"opened,omitempty"`
	// Ended are the ids of watches that ended.
	Ended []string `json:"ended,omitempty"`
	// Dropped counts requests that the sink had no room for since the last event.
	Dropped int64 `json:"dropped,omitempty"`
}

// KubeRequest is one request that may have changed something.
type KubeRequest struct {
	ID   string `json:"id"` // the audit ID
	Verb string `json:"verb"`
	User string `json:"user"`
	// As is the user that User acted as, by impersonation.
	As          string `json:"as,omitempty"`
	Agent       string `json:"agent,omitempty"`  // user agent, as the client names itself
	Source      string `json:"source,omitempty"` // IP address
	Group       string `json:"group,omitempty"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
	Code        int32  `json:"code"`
	// Reason of a refusal, such as Conflict.
	Reason   string        `json:"reason,omitempty"`
	Received time.Time     `json:"received"`
	Latency  time.Duration `json:"latency"`
	// Objects are those of the answer: one, or all that a deletecollection took.
	Objects []ObjectRevision `json:"objects,omitempty"`
}

// ObjectRevision names a state of an object.
type ObjectRevision struct {
	UID string `json:"uid"`
	// Revision is the object's resourceVersion in the answer; 0 when the answer
	// names the object alone.
	Revision int64 `json:"revision,omitempty"`
}

// KubeReads counts like requests that read.
type KubeReads struct {
	User     string `json:"user"`
	Agent    string `json:"agent,omitempty"`
	Verb     string `json:"verb"` // get, list, or watch (ended ones)
	Group    string `json:"group,omitempty"`
	Resource string `json:"resource"`
	Count    int64  `json:"count"`
	// Failed ones among them: code 400 and above.
	Failed int64 `json:"failed,omitempty"`
	// Latency of all of them together.
	Latency time.Duration `json:"latency"`
}

// KubeWatch is an open watch.
type KubeWatch struct {
	ID        string    `json:"id"` // the audit ID
	User      string    `json:"user"`
	Agent     string    `json:"agent,omitempty"`
	Source    string    `json:"source,omitempty"`
	Group     string    `json:"group,omitempty"`
	Resource  string    `json:"resource"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name,omitempty"`
	Since     time.Time `json:"since"`
}

// KubeLag is how far one API server's watches are behind etcd, measured with a
// watch of the workbench's own through that API server.
type KubeLag struct {
	// Node of the API server.
	Node string `json:"node"`
	// Revision that both etcd and the API server have delivered.
	Revision int64 `json:"revision,omitempty"`
	// Lag is how much later than etcd the API server delivered it.
	Lag time.Duration `json:"lag,omitempty"`
	// Behind counts revisions that etcd delivered and the API server has not yet,
	// of what the watch should see; Waiting is for how long.
	Behind  int           `json:"behind,omitempty"`
	Waiting time.Duration `json:"waiting,omitempty"`
	// Error says why there is no watch.
	Error string `json:"error,omitempty"`
}

// Type implements Body.
func (KubeChange) Type() string { return "kube.change" }
func (KubeChange) sealed()      {}

// Type implements Body.
func (KubeGap) Type() string { return "kube.gap" }
func (KubeGap) sealed()      {}

// Type implements Body.
func (KubeRequests) Type() string { return "kube.requests" }
func (KubeRequests) sealed()      {}

// Type implements Body.
func (KubeLag) Type() string { return "kube.lag" }
func (KubeLag) sealed()      {}

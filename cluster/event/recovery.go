package event

import "time"

func init() { register[RecoveryPast]() }

// RecoveryPast is how a recovery went in an earlier run of the lab: told when a
// run begins, so that the next fault of its class can be compared with it.
type RecoveryPast struct {
	// ID of the fault in its run, and Text in the grammar.
	ID   string `json:"id"`
	Text string `json:"text"`
	// Class is the verb and the kind of target: what is compared.
	Class string `json:"class"`
	// At is when the fault landed.
	At time.Time `json:"at"`
	// Total is from then until the last hop; 0 when it did not recover.
	Total time.Duration `json:"total,omitempty"`
	// Hops are when each was complete, since the fault landed, by name.
	Hops map[string]time.Duration `json:"hops,omitempty"`
	// Felt by kind of probe: api-read, api-write, etcd-write, service, dns.
	Felt map[string]RecoveryFelt `json:"felt,omitempty"`
}

// RecoveryFelt is what the probes of one kind felt of a fault.
type RecoveryFelt struct {
	Requests int `json:"requests"`
	Failed   int `json:"failed,omitempty"`
	// Outage is the longest of any target: from the start of the first of a row of
	// failed probes until the next one that succeeds.
	Outage time.Duration `json:"outage,omitempty"`
}

// Type implements Body.
func (RecoveryPast) Type() string { return "recovery.past" }
func (RecoveryPast) sealed()      {}

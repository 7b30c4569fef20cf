package event

import "time"

func init() { register[DNSQueries]() }

// DNSPulse is how the pulse writes the first label of the name that it looks up:
// names have no case, so it gets the answer that anybody gets, and is told apart
// from what pods ask.
const DNSPulse = "KUBERNETES"

// DNSQueries are the lookups that one pod of the cluster's name service answered
// in a second, like ones counted together. Those of the pulse are not among them.
type DNSQueries struct {
	// Node and Pod of the name service.
	Node    string     `json:"node"`
	Pod     string     `json:"pod"`
	Queries []DNSQuery `json:"queries"`
	// More counts lookups there was no room to list.
	More int64 `json:"more,omitempty"`
}

// DNSQuery are like lookups.
type DNSQuery struct {
	// Client is the IP address that asked.
	Client string `json:"client"`
	Name   string `json:"name"` // with the dot at its end
	Kind   string `json:"kind"` // A, AAAA, SRV, …
	// Code is the answer's: NOERROR, NXDOMAIN, SERVFAIL, REFUSED, …
	Code string `json:"code"`
	// Empty says that the answer had no record.
	Empty bool  `json:"empty,omitempty"`
	Count int64 `json:"count"`
	// Took is the time of all of them together, Longest that of one.
	Took    time.Duration `json:"took"`
	Longest time.Duration `json:"longest"`
}

// Type implements Body.
func (DNSQueries) Type() string { return "dns.queries" }
func (DNSQueries) sealed()      {}

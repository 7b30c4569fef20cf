package state

import (
	"math"
	"time"

	"workbench/cluster/event"
)

// UsageSeries is the recent use of one thing, oldest first. The histories of all
// components and pods are most of a world's JSON, so a sample is a few small
// numbers: 180 of them are 15 minutes in 3 to 5 kB. All lists are of one length,
// but Received and Sent, which may be empty.
type UsageSeries struct {
	// Steps are the milliseconds from the sample before to each.
	Steps []int32 `json:"steps,omitempty"`
	// Milli are the thousandths of a core used on average since the sample before.
	Milli []int32 `json:"milli,omitempty"`
	// KiB of memory.
	KiB []int32 `json:"kib,omitempty"`
	// Received and Sent are bytes per second since the sample before.
	Received []int32 `json:"received,omitempty"`
	Sent     []int32 `json:"sent,omitempty"`
	// Total is the last cumulative sample and when it was taken.
	Total   event.Usage    `json:"total,omitzero"`
	Network *event.Traffic `json:"network,omitempty"`
	At      time.Time      `json:"at,omitzero"`
}

// UsageSample is the mean use over one sampling interval.
type UsageSample struct {
	At             time.Time
	Cores          float64 // processors used, 1 = one core
	MemoryBytes    int64
	Received, Sent int64 // bytes/s
}

// Last is the newest sample; zero when there is none.
func (u UsageSeries) Last() UsageSample {
	last := len(u.Milli) - 1
	if last < 0 {
		return UsageSample{}
	}
	s := UsageSample{At: u.At, Cores: float64(u.Milli[last]) / 1000, MemoryBytes: int64(u.KiB[last]) << 10}
	if n := len(u.Received); n > 0 {
		s.Received, s.Sent = int64(u.Received[n-1]), int64(u.Sent[n-1])
	}
	return s
}

// Cores are the processors used, oldest first.
func (u UsageSeries) Cores() []float64 { return scaled(u.Milli, 1./1000) }

// Memory is in bytes, oldest first.
func (u UsageSeries) Memory() []float64 { return scaled(u.KiB, 1<<10) }

// Traffic is in bytes/s, oldest first; empty where there is no network.
func (u UsageSeries) Traffic() (received, sent []float64) {
	return scaled(u.Received, 1), scaled(u.Sent, 1)
}

func scaled(values []int32, by float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v) * by
	}
	return out
}

// Span is how far back the samples reach from the last one.
func (u UsageSeries) Span() time.Duration {
	var ms int64
	for _, step := range u.Steps[min(1, len(u.Steps)):] {
		ms += int64(step)
	}
	return time.Duration(ms) * time.Millisecond
}

// add folds a cumulative sample; less processor time or traffic than before is a
// restart, and begins anew.
func (u *UsageSeries) add(at time.Time, total event.Usage, network *event.Traffic) {
	var rates sample
	if since := at.Sub(u.At); !u.At.IsZero() && since > 0 {
		rates.step = since
		if total.CPU >= u.Total.CPU {
			rates.milli = int64((total.CPU-u.Total.CPU)*1000+since/2) / int64(since)
		}
		if n, old := network, u.Network; n != nil && old != nil && n.Received >= old.Received && n.Sent >= old.Sent {
			rates.received = perSecond(n.Received-old.Received, since)
			rates.sent = perSecond(n.Sent-old.Sent, since)
		}
	}
	rates.memory, rates.network = total.MemoryBytes, network != nil
	u.Total, u.Network = total, network
	u.push(at, rates)
}

// sample is one to be kept.
type sample struct {
	step                          time.Duration
	milli, memory, received, sent int64
	network                       bool
}

func (u *UsageSeries) push(at time.Time, s sample) {
	u.At = at
	u.Steps = bounded(append(u.Steps, small(s.step.Milliseconds())), MaxUsage)
	u.Milli = bounded(append(u.Milli, small(s.milli)), MaxUsage)
	u.KiB = bounded(append(u.KiB, small(s.memory>>10)), MaxUsage)
	if s.network {
		u.Received = bounded(append(u.Received, small(s.received)), MaxUsage)
		u.Sent = bounded(append(u.Sent, small(s.sent)), MaxUsage)
	}
}

func perSecond(n int64, in time.Duration) int64 { return int64(float64(n) / in.Seconds()) }

// small is a value as a sample keeps it.
func small(v int64) int32 { return int32(max(0, min(v, math.MaxInt32))) }

// applyUsage folds what a node uses. A pod that a sample leaves out has ended.
func (w *World) applyUsage(at time.Time, b event.ComponentUsage) {
	n := w.Nodes[b.Node]
	if n == nil {
		return
	}
	n.Pods.add(at, b.Pods, nil)
	all := sample{step: at.Sub(n.Usage.At), network: b.Network != nil}
	count := func(u *UsageSeries) {
		all.milli += int64(u.Milli[len(u.Milli)-1])
		all.memory += int64(u.KiB[len(u.KiB)-1]) << 10
	}
	count(&n.Pods)
	for name, u := range b.Components {
		if c := n.Components[name]; c != nil {
			c.Usage.add(at, u, nil)
			count(&c.Usage)
		}
	}
	n.Usage.sum(at, all, b.Network)
	for uid := range n.PodUsage {
		if _, there := b.ByPod[uid]; !there {
			delete(n.PodUsage, uid)
		}
	}
	for uid, u := range b.ByPod {
		if n.PodUsage == nil {
			n.PodUsage = map[string]*UsageSeries{}
		}
		if n.PodUsage[uid] == nil {
			n.PodUsage[uid] = &UsageSeries{}
		}
		n.PodUsage[uid].add(at, u.Usage, u.Network)
	}
}

// sum keeps what all of a node uses: its parts together, and its link.
func (u *UsageSeries) sum(at time.Time, all sample, network *event.Traffic) {
	if u.At.IsZero() {
		all.step = 0
	}
	if n, old := network, u.Network; n != nil && old != nil && all.step > 0 && n.Received >= old.Received && n.Sent >= old.Sent {
		all.received = perSecond(n.Received-old.Received, all.step)
		all.sent = perSecond(n.Sent-old.Sent, all.step)
	}
	u.Network = network
	u.push(at, all)
}

// PodUsage is the recent use of a pod; nil when none is known.
func (w *World) PodUsage(p *event.KubePod) *UsageSeries {
	n := w.Nodes[p.Node]
	if n == nil {
		return nil
	}
	if p.ConfigHash != "" {
		return n.PodUsage[p.ConfigHash] // its group has the UID of the static pod, not that of the mirror
	}
	return n.PodUsage[p.UID]
}

package supervisor

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/runtime/link"
)

// finding is what was observed of one part of a fault.
type finding struct {
	verdict event.FaultVerdict
	text    string
}

func landed(format string, args ...any) finding {
	return finding{event.FaultLanded, fmt.Sprintf(format, args...)}
}

func mismatch(format string, args ...any) finding {
	return finding{event.FaultMismatch, fmt.Sprintf(format, args...)}
}

func inconclusive(format string, args ...any) finding {
	return finding{event.FaultInconclusive, fmt.Sprintf(format, args...)}
}

// verify observes whether a fault has its effect, and says so.
func (s *Supervisor) verify(a activeFault, before map[event.FaultLink]link.Measure) {
	var found []finding
	switch {
	case len(a.Links) > 0:
		found = s.verifyLinks(a, before)
	default:
		found = s.verifyProcesses(a)
	}
	if a.ctx.Err() != nil {
		return // it is over
	}
	s.rec.Emit(verdict(a.ID, found))
}

// covered is what cannot show, because another fault dominates it.
func covered(format string, args ...any) finding {
	return finding{"", fmt.Sprintf(format, args...)}
}

// verdict sums findings up: the worst counts, and what is covered by other
// faults does not.
func verdict(id string, found []finding) event.FaultVerified {
	v := event.FaultVerified{ID: id}
	rank := map[event.FaultVerdict]int{"": 0, event.FaultLanded: 1, event.FaultInconclusive: 2, event.FaultMismatch: 3}
	for _, f := range found {
		if rank[f.verdict] > rank[v.Verdict] {
			v.Verdict = f.verdict
		}
		v.Evidence = append(v.Evidence, f.text)
	}
	if v.Verdict == "" {
		v.Verdict = event.FaultInconclusive
	}
	return v
}

// Probes of links.
const (
	mostProbed = 12 // directions; the others are of the same rules
	patience   = 250 * time.Millisecond
)

var (
	fewPackets  = link.Shot{Packets: 10, Every: 5 * time.Millisecond, Bytes: 64, Wait: patience}
	manyPackets = link.Shot{Packets: 250, Every: 2 * time.Millisecond, Bytes: 64, Wait: patience}
)

// probed are the directions to measure. A limit on all of a node's traffic is
// measured towards one peer.
func (s *Supervisor) probed(f event.FaultInjected) []event.FaultLink {
	any := func(but string) string {
		for _, name := range s.links.names() {
			if _, _, ok := s.links.between(name, but); ok && name != but {
				return name
			}
		}
		return event.Outside
	}
	var out []event.FaultLink
	for _, l := range f.Links {
		if l.From == event.AnyNode {
			l.From = any(l.To)
		}
		if l.To == event.AnyNode {
			l.To = any(l.From)
		}
		out = append(out, l)
	}
	return out[:min(len(out), mostProbed)]
}

// baseline measures the links of a fault before it begins.
func (s *Supervisor) baseline(ctx context.Context, f event.FaultInjected) map[event.FaultLink]link.Measure {
	if len(f.Links) == 0 {
		return nil
	}
	return s.measure(ctx, s.probed(f), func(event.FaultLink) link.Shot { return fewPackets })
}

// measure probes directions at the same time; those that cannot be are left out.
func (s *Supervisor) measure(ctx context.Context, links []event.FaultLink, shot func(event.FaultLink) link.Shot) map[event.FaultLink]link.Measure {
	out := map[event.FaultLink]link.Measure{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, l := range links {
		from, to, ok := s.links.between(l.From, l.To)
		if !ok {
			continue
		}
		all.Go(func() {
			m, err := link.OneWay(ctx, from, to, shot(l))
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out[l] = m
		})
	}
	all.Wait()
	return out
}

func (s *Supervisor) verifyLinks(a activeFault, before map[event.FaultLink]link.Measure) []finding {
	links := s.probed(a.FaultInjected)
	d := s.faults.desired()
	want := map[event.FaultLink]event.LinkCondition{}
	for _, l := range links {
		want[l] = expected(d, l)
	}
	measured := s.measure(a.ctx, links, func(l event.FaultLink) link.Shot { return shotFor(want[l]) })
	if err := s.links.count(); err != nil {
		return []finding{inconclusive("%v", err)}
	}
	now := s.faults.desired()
	var found []finding
	for _, l := range links {
		m, ok := measured[l]
		if !ok {
			found = append(found, inconclusive("%s>%s: could not be measured; does a node of it run?", l.From, l.To))
			continue
		}
		if expected(now, l) != want[l] {
			found = append(found, inconclusive("%s>%s: changed while it was measured", l.From, l.To))
			continue
		}
		f := judge(a.Kind, want[l], m)
		f.text = fmt.Sprintf("%s>%s: %s", l.From, l.To, f.text)
		if b, ok := before[l]; ok {
			f.text += "; before: " + describe(b)
		}
		if c := s.links.condition(l); c.Dropped > 0 {
			f.text += fmt.Sprintf("; %d drops counted", c.Dropped)
		}
		found = append(found, f)
	}
	if more := len(a.Links) - len(links); more > 0 {
		found = append(found, finding{event.FaultLanded, fmt.Sprintf("and %d more directions by the same rules, not measured", more)})
	}
	return found
}

// expected is all that faults want of a direction, limits on a whole node
// included.
func expected(d fault.Desired, l event.FaultLink) event.LinkCondition {
	c := d.Link(l.From, l.To)
	for _, all := range []event.LinkCondition{d.Link(l.From, event.AnyNode), d.Link(event.AnyNode, l.To)} {
		if all.Rate > 0 && (c.Rate == 0 || all.Rate < c.Rate) {
			c.Rate = all.Rate
		}
	}
	return c
}

// rateTime is how long the packets of a rate probe should take.
const rateTime = 300 * time.Millisecond

// shotFor are the packets that can tell whether a direction is as it should be.
func shotFor(c event.LinkCondition) link.Shot {
	shot := fewPackets
	switch {
	case c.Cut:
	case c.Rate > 0:
		shot = link.Shot{Bytes: 1400}
		shot.Packets = min(max(int(float64(c.Rate)/8*rateTime.Seconds())/shot.Bytes, 12), 400)
		shot.Wait = patience + time.Duration(float64(shot.Packets*shot.Bytes*8)/float64(c.Rate)*float64(time.Second))
	case c.Loss > 0:
		shot = manyPackets
	}
	shot.Wait += c.Delay + c.Jitter
	return shot
}

// judge compares a measure with what is wanted, as far as the kind of fault
// goes.
func judge(kind string, want event.LinkCondition, m link.Measure) finding {
	switch {
	case want.Cut && kind != fault.Cut && kind != fault.Partition && kind != fault.CutOff:
		return covered("another fault cuts it")
	case want.Cut && m.Arrived == 0:
		return landed("%s", describe(m))
	case want.Cut:
		return mismatch("%s through a cut", describe(m))
	case kind == fault.Loss:
		return judgeLoss(want.Loss, m)
	case m.Arrived == 0:
		return inconclusive("%s", describe(m))
	case kind == fault.Delay:
		return judgeDelay(want, m)
	case kind == fault.Rate:
		return judgeRate(want.Rate, m)
	}
	return inconclusive("it is gone")
}

func judgeLoss(p float64, m link.Measure) finding {
	// Four standard deviations of the binomial distribution: one in 16,000.
	off := 4*math.Sqrt(p*(1-p)/float64(m.Sent)) + 2/float64(m.Sent)
	if math.Abs(m.Lost()-p) > off {
		return mismatch("%s; %s is wanted", describe(m), fault.Percent(p))
	}
	return landed("%s", describe(m))
}

func judgeDelay(want event.LinkCondition, m link.Measure) finding {
	const early = 2 * time.Millisecond
	switch {
	case m.Least < want.Delay-want.Jitter-early:
		return mismatch("%s, the quickest %v; +%v is wanted", describe(m), m.Least.Round(10*time.Microsecond), want.Delay)
	case want.Rate == 0 && m.Median > 2*(want.Delay+want.Jitter)+100*time.Millisecond:
		return mismatch("%s; +%v is wanted", describe(m), want.Delay)
	}
	return landed("%s", describe(m))
}

func judgeRate(rate int64, m link.Measure) finding {
	text := fmt.Sprintf("%s, at %.3g Mbit/s", describe(m), m.Bits/1e6)
	switch {
	case m.Arrived < 10:
		return inconclusive("%s: too few", text)
	case m.Bits > 1.5*float64(rate):
		return mismatch("%s; %s is wanted", text, fault.BitRate(rate))
	case m.Bits < 0.5*float64(rate):
		return inconclusive("%s: a probe cannot fill that much", text)
	}
	return landed("%s", text)
}

func describe(m link.Measure) string {
	if m.Arrived == 0 {
		return fmt.Sprintf("0 of %d packets arrived", m.Sent)
	}
	return fmt.Sprintf("%d of %d packets arrived, median %v", m.Arrived, m.Sent, m.Median.Round(10*time.Microsecond))
}

// await gives what is to be observed some time to come about.
func (s *Supervisor) await(ctx context.Context, within time.Duration, look func() (finding, bool)) finding {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		f, done := look()
		if done {
			return f
		}
		select {
		case <-ctx.Done():
			return f
		case <-tick.C:
		}
	}
}

// Package observe reads the rules of a node and counts what they do, from
// outside of its processes: in its network namespace, by netlink and by the
// tools that list rules.
//
//	every 250 ms  was the ruleset changed? --> list, parse, compare ---------------> proxy.service, proxy.sync
//	             counters of rules that were removed -> ledger
//	             connections that began or ended -> ledger
//	every second  counters of rules, ledger ---------------------------------------> proxy.counters
//	             /healthz of kube-proxy: when it last synced
//
// It changes nothing that kube-proxy or a packet would notice: in nftables mode,
// whose rules have no counters, it adds a table that counts what is refused. Where nothing changes it costs two looks at
// sockets four times a second.
package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/proxy/conntrack"
	"workbench/proxy/netfilter"
	"workbench/proxy/rules"
	"workbench/runtime/namespace"
)

// Intervals of polling.
const (
	generationEvery = 250 * time.Millisecond
	countEvery      = time.Second
	tableEvery      = 2 * time.Second  // looks at connections, while there are some
	idleEvery       = 5 * time.Second  // rule counters, while no connection begins
	quietEvery      = 10 * time.Second // totals of which only the bytes changed
	healthEvery     = 10 * time.Second // /healthz, while no rule changes
	legacyEvery     = 2 * time.Second  // listings of legacy iptables, which has no generation
)

// askedMost is how many connections are looked up one by one. Beyond that one
// listing of all, in which the kernel walks the connections of all nodes, is
// cheaper.
const askedMost = 512

// Config says which node to read.
type Config struct {
	Node string
	// Mode is kube-proxy's: iptables or nftables.
	Mode string
	// Net is the node's network namespace; it must stay open until Run returns.
	Net  *namespace.Net
	Emit func(event.Body)
	Log  *slog.Logger
}

func (c Config) validate() error {
	switch {
	case c.Node == "" || c.Net == nil || c.Emit == nil || c.Log == nil:
		return errors.New("node, namespace, Emit and logger are needed")
	case c.Mode != rules.IPTables && c.Mode != rules.NFTables:
		return fmt.Errorf("mode %q: want %s or %s", c.Mode, rules.IPTables, rules.NFTables)
	}
	return nil
}

// Name is the source of a node in event.SourceState.
func Name(node string) string { return "proxy/" + node }

// source is one running reader.
type source struct {
	Config
	kernel  *netfilter.Conn
	removed *netfilter.Removals
	tracked *conntrack.Reader
	stream  *conntrack.Stream // nil where connections cannot be followed
	lister  lister
	healthz healthz

	generation uint32
	moved      bool // there was a transaction since generation was asked for
	set        *rules.Ruleset
	services   map[string]event.ProxyService
	sync       event.ProxySync // not told yet, where pending is set
	pending    time.Time       // since when
	hits       hits
	known      known
	refusals   *refusals // in nftables mode, where they can be counted

	rest time.Time // no listing before

	counted, tabled, followed, matched, told, checked, listed time.Time
	broken                                                    string // the last error told

	ledger *conntrack.Ledger
	began  bool // a connection began since rule counters were read
	missed uint64
	dirty  bool // events were missed since the last listing
}

// Run reads the node until ctx ends; then it returns nil. Failures are reported
// as event.SourceState and retried.
func Run(ctx context.Context, cfg Config) error {
	s, err := open(cfg)
	if err != nil {
		return err
	}
	defer s.close()
	s.start(ctx)
	ticks := time.NewTicker(generationEvery)
	defer ticks.Stop()
	for {
		s.report(ctx, s.poll(ctx, time.Now()))
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func open(cfg Config) (*source, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("read proxy rules: %w", err)
	}
	s := &source{Config: cfg, healthz: newHealthz(cfg.Net), ledger: conntrack.NewLedger(), hits: hits{}}
	var err error
	if s.kernel, err = netfilter.Dial(cfg.Net); err != nil {
		return nil, fmt.Errorf("read proxy rules of %s: %w", cfg.Node, err)
	}
	if s.removed, err = netfilter.WatchRemovals(cfg.Net); err != nil {
		return nil, errors.Join(fmt.Errorf("read proxy rules of %s: %w", cfg.Node, err), s.kernel.Close())
	}
	if s.tracked, err = conntrack.Open(cfg.Net); err != nil {
		return nil, errors.Join(fmt.Errorf("read connections of %s: %w", cfg.Node, err), s.kernel.Close(), s.removed.Close())
	}
	return s, nil
}

func (s *source) close() {
	_, _, _ = s.kernel.Close(), s.removed.Close(), s.tracked.Close()
	if s.stream != nil {
		_ = s.stream.Close()
	}
}

// start finds out what can be observed on the node and says so.
func (s *source) start(ctx context.Context) {
	about := event.ProxyNode{Node: s.Node, Mode: s.Mode}
	var err error
	if s.lister, err = newLister(s.Mode); err != nil {
		about.Limits = append(about.Limits, err.Error())
	}
	about.Tool = s.lister.version
	if s.stream, err = conntrack.Listen(s.Net); err != nil {
		about.Limits = append(about.Limits, "connections are not counted: "+err.Error())
	} else {
		about.Tracked, s.dirty = true, true
	}
	if about.Accounted = s.accounted(); !about.Accounted {
		about.Limits = append(about.Limits, "packets and bytes are not counted: net.netfilter.nf_conntrack_acct is off on the node")
	}
	if s.Mode == rules.NFTables {
		counting := &refusals{net: s.Net}
		if err := counting.start(ctx); err != nil {
			about.RejectsUncounted = true
			about.Limits = append(about.Limits, "rejected packets are not counted, as kube-proxy's nftables rules have no counters and the workbench could not add its own: "+err.Error())
		} else {
			s.refusals = counting
		}
	}
	if s.lister.legacy {
		about.Limits = append(about.Limits, "legacy iptables: rules are listed every 2 s, as the kernel does not say that they changed")
	}
	s.Emit(about)
}

// accounted reads a sysctl of the node's network namespace.
func (s *source) accounted() bool {
	on := false
	_ = s.Net.Do(func() error {
		// The kernel shows a thread the sysctls of the namespace it is in.
		raw, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_acct")
		on = err == nil && strings.TrimSpace(string(raw)) == "1"
		return err
	})
	return on
}

// follow takes which connections began and ended.
func (s *source) follow() error {
	if s.stream == nil {
		return nil
	}
	missed, err := s.stream.Take(func(e conntrack.Entry) {
		s.ledger.Begin(e)
		s.began = true
	}, s.ledger.End)
	if missed {
		s.missed++
		s.dirty = true
	}
	return err
}

// report tells of a failure when it is another than the last, and of its end.
func (s *source) report(ctx context.Context, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if ctx.Err() != nil || text == s.broken {
		return
	}
	s.broken = text
	s.Emit(event.SourceState{Source: Name(s.Node), OK: err == nil, Detail: text})
	if err != nil {
		s.Log.Warn("read proxy rules", "node", s.Node, "cause", err)
	}
}

// poll looks once.
func (s *source) poll(ctx context.Context, now time.Time) error {
	changed, err := s.changed(now)
	if err != nil {
		return err
	}
	if changed {
		if err := s.list(ctx, now); err != nil {
			return err
		}
	}
	s.checkHealth(ctx, now)
	if err := s.follow(); err != nil {
		return err
	}
	if now.Sub(s.counted) < countEvery {
		return nil
	}
	s.counted = now
	return s.count(now)
}

// changed says whether rules may have changed since they were last listed.
func (s *source) changed(now time.Time) (bool, error) {
	if s.lister.legacy {
		return now.Sub(s.listed) >= legacyEvery, nil
	}
	if err := s.takeRemoved(); err != nil {
		return false, err
	}
	if now.Before(s.rest) || !s.moved && s.generation != 0 && s.set != nil {
		return false, nil
	}
	s.moved = false
	generation, err := s.kernel.Generation()
	if err != nil {
		return false, err
	}
	changed := generation != s.generation || s.set == nil
	s.generation = generation
	return changed, nil
}

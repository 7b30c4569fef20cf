// Package trace follows one real connection through the rules of all nodes.
//
//	client's namespace: socket, bind ---- port known ----> rules that set nftrace, on every node
//	                    connect      ---- SYN -----------> each rule it meets is a netlink message
//	                    outcome      <--- conntrack: which endpoint was chosen
//
// The rules are a table of the workbench's own and are removed however it ends;
// they die with the node's namespace if this process is killed meanwhile. Packets
// of one connection are known on other nodes by their TCP sequence number, which
// no rule changes.
package trace

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"workbench/cluster/event"
	"workbench/proxy/conntrack"
	"workbench/proxy/netfilter"
	"workbench/proxy/rules"
	"workbench/runtime/namespace"
)

// Node is a node that rules are traced on.
type Node struct {
	Name string
	Net  *namespace.Net
	// Gone is closed when the node ends; nil is never.
	Gone <-chan struct{}
}

// Config says what to connect.
type Config struct {
	Mode string
	// Client is what to call the client; From is its address and FromNet its
	// namespace.
	Client  string
	From    netip.Addr
	FromNet *namespace.Net
	// FromNode is the node the client is on; it is one of Nodes.
	FromNode string
	Nodes    []Node
	// Service is the service port's key, To its address, Endpoints those that rules
	// may send a connection to.
	Service   string
	To        netip.AddrPort
	Endpoints []netip.AddrPort
	// PodAt says whose an IP is and on which node; "" where nobody's.
	PodAt func(ip netip.Addr) (pod, node string)
}

// Timing of a trace.
const (
	// replyTimeout is how long to wait for an answer: shorter than TCP waits
	// before it sends the first packet again.
	replyTimeout = 990 * time.Millisecond
	setUp        = 10 * time.Second // adding and removing rules
)

// watched is a node while it is traced.
type watched struct {
	Node
	tracer *netfilter.Tracer
	met    []netfilter.Met
}

// Run connects once and tells what happened. An error means that nothing was
// sent.
func Run(ctx context.Context, cfg Config) (event.ProxyTrace, error) {
	out, err := follow(ctx, cfg)
	ended(cfg, &out)
	return out, err
}

// ended says which nodes did not live to the end of the trace.
func ended(cfg Config, out *event.ProxyTrace) {
	for _, n := range cfg.Nodes {
		select {
		case <-n.Gone:
		default:
			continue
		}
		switch {
		case n.Name == cfg.FromNode:
			out.Detail = n.Name + ", where the client is, ended during the trace: what became of the connection is not known"
		case n.Name == out.PodNode:
			out.Detail = n.Name + ", where the endpoint is, ended during the trace"
		}
		out.Limits = append(out.Limits, n.Name+" ended during the trace: rules that were met there may be missing")
	}
}

func follow(ctx context.Context, cfg Config) (out event.ProxyTrace, err error) {
	out = event.ProxyTrace{
		Client: cfg.Client, Node: cfg.FromNode, Mode: cfg.Mode, Service: cfg.Service, Target: cfg.To.String(),
	}
	if cfg.Mode == rules.Userspace {
		err = userspaceRun(ctx, cfg, &out)
		return out, err
	}
	var nodes []*watched
	for _, n := range cfg.Nodes {
		t, err := netfilter.Trace(n.Net)
		if err != nil {
			return out, fmt.Errorf("trace on %s: %w", n.Name, err)
		}
		defer t.Close()
		nodes = append(nodes, &watched{Node: n, tracer: t})
	}
	marks := &marks{}
	defer func() { err = errors.Join(err, marks.unset(ctx)) }()
	dialing, cancel := context.WithTimeout(ctx, setUp+replyTimeout)
	defer cancel()
	o := connect(dialing, cfg.FromNet, cfg.From, cfg.To, func(source netip.AddrPort) error {
		if err := marks.set(ctx, cfg, source); err != nil {
			return err
		}
		time.AfterFunc(replyTimeout, cancel)
		return nil
	})
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	if o.latency == 0 {
		return out, fmt.Errorf("trace from %s: %w", cfg.Client, o.err)
	}
	o.tell(&out, dialing.Err() != nil)
	chosen(&out, cfg, o)
	if o.conn != nil {
		if err := o.conn.Close(); err != nil {
			out.Limits = append(out.Limits, err.Error())
		}
	}
	for _, n := range nodes {
		// What a packet met was said before its answer came.
		met, missed, err := n.tracer.Take()
		n.met = met
		if err != nil {
			out.Limits = append(out.Limits, fmt.Sprintf("%s: %v", n.Name, err))
		}
		if missed {
			out.Limits = append(out.Limits, n.Name+": rules that were met there are missing, the kernel had more to say than it keeps")
		}
	}
	out.Steps = path(ctx, cfg, nodes, o.source, &out)
	explain(&out, cfg)
	return out, nil
}

// chosen asks conntrack on the client's node where the connection was sent.
func chosen(out *event.ProxyTrace, cfg Config, o outcome) {
	i := slices.IndexFunc(cfg.Nodes, func(n Node) bool { return n.Name == cfg.FromNode })
	if i < 0 {
		return
	}
	entry, ok, err := look(cfg.Nodes[i].Net, conntrack.Tuple{Source: o.source, Destination: cfg.To, Protocol: unix.IPPROTO_TCP})
	switch {
	case err != nil:
		out.Limits = append(out.Limits, err.Error())
	case ok:
		out.Endpoint = entry.Reply.Source.String()
		out.Pod, out.PodNode = cfg.PodAt(entry.Reply.Source.Addr())
		if seen := entry.Reply.Destination; seen.Addr() != o.source.Addr() {
			out.Masqueraded = seen.String()
		}
	}
}

// look asks the kernel about one connection.
func look(ns *namespace.Net, t conntrack.Tuple) (conntrack.Entry, bool, error) {
	reader, err := conntrack.Open(ns)
	if err != nil {
		return conntrack.Entry{}, false, err
	}
	defer reader.Close()
	return reader.Entry(t)
}

// marks are the trace rules on all nodes.
type marks struct {
	mu   sync.Mutex
	ends []func(context.Context) error
}

// set adds trace rules on all nodes at once.
func (m *marks) set(ctx context.Context, cfg Config, source netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, setUp)
	defer cancel()
	var wait sync.WaitGroup
	errs := make([]error, len(cfg.Nodes))
	for i, n := range cfg.Nodes {
		wait.Go(func() {
			mark := mark{to: cfg.Endpoints}
			if n.Name == cfg.FromNode {
				mark.client, mark.to = source, nil
			}
			if len(mark.to) == 0 && !mark.client.IsValid() {
				return
			}
			end, err := mark.set(ctx, n.Net)
			if err != nil {
				errs[i] = fmt.Errorf("trace on %s: %w", n.Name, err)
				return
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.ends = append(m.ends, end)
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// unset removes all trace rules, also when ctx has ended.
func (m *marks) unset(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), setUp)
	defer cancel()
	var errs []error
	for _, end := range m.ends {
		errs = append(errs, end(ctx))
	}
	return errors.Join(errs...)
}

package trace

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"workbench/cluster/event"
	"workbench/proxy/rules"
	"workbench/proxy/userspace"
)

// settle is how long kube-proxy may take to say what became of a connection that took
// all its time.
const settle = 30 * time.Millisecond

// userspaceRun connects where kube-proxy itself accepts, and asks it what it did.
// There is no rule to meet: the client's connection ends at the node's kernel,
// and kube-proxy makes another one, which endpoints see.
func userspaceRun(ctx context.Context, cfg Config, out *event.ProxyTrace) error {
	began := time.Now()
	dialing, cancel := context.WithTimeout(ctx, replyTimeout)
	defer cancel()
	o := connect(dialing, cfg.FromNet, cfg.From, cfg.To, func(netip.AddrPort) error { return nil })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if o.latency == 0 {
		return fmt.Errorf("trace from %s: %w", cfg.Client, o.err)
	}
	if o.conn != nil {
		defer o.conn.Close()
	}
	o.tell(out, dialing.Err() != nil)
	at := slices.IndexFunc(cfg.Nodes, func(n Node) bool { return n.Name == cfg.FromNode })
	if at < 0 {
		out.Limits = append(out.Limits, cfg.FromNode+" ended before its kube-proxy could be asked")
		return nil
	}
	within := max(replyTimeout-time.Since(began), settle)
	record, err := userspace.Connection(ctx, cfg.Nodes[at].Net, o.source, within)
	switch {
	case errors.Is(err, userspace.ErrUnknown):
		unheard(cfg, o, out)
	case err != nil:
		silent(cfg, o, out, err)
	default:
		heard(cfg, record, out)
	}
	return nil
}

// place is a step at the node's own socket.
func place(cfg Config, o string, verdict, meaning string) event.ProxyStep {
	return event.ProxyStep{
		Node: cfg.FromNode, Table: rules.Userspace, Chain: "listen " + cfg.To.String(), Kind: "rule", Verdict: verdict, Meaning: meaning, Packet: o + " > " + cfg.To.String(),
	}
}

// unheard is a connection that never came to kube-proxy, which runs.
func unheard(cfg Config, o outcome, out *event.ProxyTrace) {
	if out.Verdict != "refused" {
		out.Steps = append(out.Steps, place(cfg, out.Source, "no accept", "kube-proxy has not accepted it"))
		out.Limits = append(out.Limits, "kube-proxy knows of no such connection")
		return
	}
	why := "nothing listens there: " + cfg.Service + " has no endpoint that may be used from here"
	out.Steps = append(out.Steps, place(cfg, out.Source, "refused", why))
	out.Detail = fmt.Sprintf("ended on %s: %s", cfg.FromNode, why)
}

// silent is a kube-proxy that does not say what it did.
func silent(cfg Config, o outcome, out *event.ProxyTrace, err error) {
	verdict, meaning := out.Verdict, "kube-proxy of "+cfg.FromNode+" does not answer"
	switch {
	case o.conn != nil && errors.Is(err, context.DeadlineExceeded):
		// The kernel shakes hands for a process that sleeps.
		out.Verdict, verdict = "no reply", "handshake"
		meaning = "the kernel took the connection for kube-proxy, which does nothing with it"
	case o.conn != nil:
		out.Verdict, verdict = "no reply", "handshake"
		meaning = "kube-proxy ended while it had the connection"
	case out.Verdict == "refused":
		meaning = "nothing listens there: kube-proxy of " + cfg.FromNode + " does not run"
	}
	out.Steps = append(out.Steps, place(cfg, out.Source, verdict, meaning))
	out.Detail = fmt.Sprintf("ended on %s: %s", cfg.FromNode, meaning)
	out.Limits = append(out.Limits, err.Error())
}

// heard tells what kube-proxy did.
func heard(cfg Config, record userspace.Record, out *event.ProxyTrace) {
	out.Steps = append(out.Steps, place(cfg, record.Client.String(), "accept", "kube-proxy's own socket takes the connection, for "+record.Service))
	out.Verdict, out.Detail = "no reply", "no endpoint may be used from here"
	for _, a := range record.Attempts {
		out.Steps = append(out.Steps, chose(cfg, record, a), reached(cfg, a))
		out.Endpoint = a.Endpoint.String()
		out.Pod, out.PodNode = cfg.PodAt(a.Endpoint.Addr())
		out.Detail = a.Error
		switch {
		case a.Source.IsValid():
			out.Verdict, out.Detail, out.Masqueraded = "reply", "", a.Source.String()
		case a.Error == "connection refused":
			out.Verdict, out.Detail = "refused", "the endpoint refused: nothing listens there"
		case a.Error == "":
			out.Verdict, out.Detail = "no reply", "the endpoint has not answered yet"
		default:
			out.Verdict = "no reply"
		}
	}
	if !record.Done {
		out.Limits = append(out.Limits, "kube-proxy was still trying when this was written")
	}
}

// chose is the step in which an endpoint was chosen.
func chose(cfg Config, record userspace.Record, a userspace.Attempt) event.ProxyStep {
	meaning := fmt.Sprintf("by chance, 1 of %d", a.Of)
	switch {
	case a.Kept:
		meaning = "this client chose this endpoint before"
	case a.Of == 1:
		meaning = "the only endpoint"
	}
	return event.ProxyStep{Node: cfg.FromNode, Table: rules.Userspace, Chain: "choose " + record.Service, Kind: "rule", Verdict: "endpoint " + a.Endpoint.String(), Meaning: meaning}
}

// reached is the step of the second connection.
func reached(cfg Config, a userspace.Attempt) event.ProxyStep {
	step := event.ProxyStep{Node: cfg.FromNode, Table: rules.Userspace, Chain: "connect " + a.Endpoint.String(), Kind: "rule", Verdict: "connected", Meaning: "a second connection, which the endpoint sees"}
	switch {
	case a.Source.IsValid():
		step.Packet = a.Source.String() + " > " + a.Endpoint.String()
	case a.Error == "":
		step.Verdict, step.Meaning = "waiting", "no answer so far"
	default:
		step.Verdict, step.Meaning = "failed", a.Error
	}
	return step
}

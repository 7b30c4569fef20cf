package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"workbench/cluster/etcdclient"
	"workbench/cluster/event"
	"workbench/cluster/member"
	"workbench/cluster/plan"
	"workbench/cluster/state"
)

// memberTimeout bounds one request to etcd.
const memberTimeout = 5 * time.Second

// etcdConfig is how to speak to some members.
func (s *Supervisor) etcdConfig(endpoints ...string) (clientv3.Config, error) {
	secure, err := s.etcdTLS()
	if err != nil {
		return clientv3.Config{}, err
	}
	cfg := etcdclient.Config(secure, s.labNet.DialContext, endpoints...)
	cfg.DialTimeout = memberTimeout
	return cfg, nil
}

// etcd is a client of some members.
func (s *Supervisor) etcd(endpoints ...string) (*clientv3.Client, error) {
	cfg, err := s.etcdConfig(endpoints...)
	if err != nil {
		return nil, err
	}
	client, err := clientv3.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("speak to etcd: %w", err)
	}
	return client, nil
}

// withEtcd lets do speak to members, for so long.
func (s *Supervisor) withEtcd(ctx context.Context, within time.Duration, do func(context.Context, *clientv3.Client) error, endpoints ...string) error {
	client, err := s.etcd(endpoints...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	return errors.Join(do(ctx, client), func() error { cancel(); return client.Close() }())
}

// members asks every control plane's member who belongs to the cluster, and how
// it is. Without a quorum the list is what one member has, which may be old.
func (s *Supervisor) members(ctx context.Context) (member.Cluster, error) {
	nodes := s.controlPlanes()
	answers := make([]*clientv3.StatusResponse, len(nodes))
	lists := make([]*clientv3.MemberListResponse, len(nodes))
	problems := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			problems[i] = s.withEtcd(ctx, memberTimeout/2, func(ctx context.Context, c *clientv3.Client) error {
				var err error
				if answers[i], err = c.Status(ctx, n.ClientURL()); err != nil {
					return err
				}
				lists[i], err = c.MemberList(ctx, clientv3.WithSerializable())
				return err
			}, n.ClientURL())
		})
	}
	all.Wait()
	// The list of the member that has applied most is the newest.
	newest := -1
	for i := range nodes {
		if problems[i] == nil && (newest < 0 || answers[i].RaftAppliedIndex > answers[newest].RaftAppliedIndex) {
			newest = i
		}
	}
	if newest < 0 {
		return nil, fmt.Errorf("ask etcd for its members: none answers: %w", errors.Join(problems...))
	}
	var out member.Cluster
	for _, m := range lists[newest].Members {
		one := member.Member{
			ID: m.GetID(), Started: m.GetName() != "", Learner: m.GetIsLearner(), Problem: "it is on no node of the lab",
			PeerURL: strings.Join(m.GetPeerURLs(), ","), ClientURL: strings.Join(m.GetClientURLs(), ","),
		}
		if i := slices.IndexFunc(nodes, func(n plan.Node) bool { return n.PeerURL() == one.PeerURL }); i >= 0 {
			one.Node, one.Problem = nodes[i].Name, reasonOf(problems[i])
			if a := answers[i]; problems[i] == nil && a.Header.GetMemberId() == one.ID {
				one.Problem, one.Leads = "", a.Leader == one.ID
				one.Term, one.Index, one.Applied, one.Revision = a.RaftTerm, a.RaftIndex, a.RaftAppliedIndex, a.Header.GetRevision()
				one.DBBytes, one.DBUsed = a.DbSize, a.DbSizeInUse
			} else if one.Problem == "" {
				one.Problem = "another member answers there"
			}
		}
		out = append(out, one)
	}
	s.matched(out)
	slices.SortFunc(out, func(a, b member.Member) int { return strings.Compare(a.Node, b.Node) })
	return out, nil
}

// reasonOf is why a member does not answer, in short.
func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if i := strings.LastIndex(text, "desc = "); i >= 0 {
		text = text[i+len("desc = "):]
	}
	if i := strings.LastIndex(text, "connect: "); i >= 0 {
		text = text[i:]
	}
	text, _, _ = strings.Cut(text, "\n")
	return strings.Trim(text, `" `)
}

// matched adds what the tap in the leader has told of its followers.
func (s *Supervisor) matched(c member.Cluster) {
	s.rec.See(func(w *state.World) {
		lead := w.Raft.Members[w.Raft.Leader()]
		if lead == nil {
			return
		}
		for i := range c {
			c[i].MatchOnLead = lead.Progress[c[i].Node].Match
		}
	})
}

// controlPlanes are the planned nodes with an etcd member.
func (s *Supervisor) controlPlanes() []plan.Node {
	var out []plan.Node
	for _, n := range s.current().Nodes {
		if n.Role() == event.ControlPlane {
			out = append(out, n)
		}
	}
	return out
}

// upURLs are where the members that are up can be reached, but one.
func upURLs(c member.Cluster, but string) []string {
	var out []string
	for _, m := range c {
		if m.Up() && !m.Learner && m.Node != but {
			out = append(out, m.ClientURL)
		}
	}
	return out
}

// Package writer has the stores that campaigns write to: the cluster's API, as a
// user reaches it through the host's port, and etcd, from inside the lab's network
// and past the API servers, as the pulse does.
package writer

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"workbench/cluster/campaign"
	"workbench/cluster/etcdclient"
	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/pki"
	"workbench/cluster/plan"
	"workbench/cluster/state"
	"workbench/runtime/namespace"
)

// keepAlive is how often idle connections to etcd are tried, the least that gRPC
// allows, and keepAliveTime how long the answer may take: a member that is frozen
// is asked no longer then.
const (
	keepAlive     = 10 * time.Second
	keepAliveTime = 2 * time.Second
)

// Etcd is a store in etcd. Close it.
type Etcd struct {
	client *clientv3.Client
	net    *namespace.Net
}

// OpenEtcd prepares a client of the lab's etcd.
func OpenEtcd(place layout.Lab, w *state.World) (*Etcd, error) {
	secure, err := pki.EtcdAdmin(place.PKI())
	if err != nil {
		return nil, err
	}
	ns, err := labNetwork(w)
	if err != nil {
		return nil, err
	}
	var endpoints []string
	for _, n := range w.Topology.Nodes {
		if n.Role == event.ControlPlane {
			endpoints = append(endpoints, "https://"+net.JoinHostPort(n.IP, strconv.Itoa(plan.EtcdPort)))
		}
	}
	cfg := etcdclient.Config(secure, ns.DialContext, endpoints...)
	cfg.DialKeepAliveTime, cfg.DialKeepAliveTimeout = keepAlive, keepAliveTime
	client, err := clientv3.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to etcd: %w", err)
	}
	return &Etcd{client: client, net: ns}, nil
}

// Close ends the connections.
func (e *Etcd) Close() error {
	err := e.client.Close()
	if nsErr := e.net.Close(); err == nil {
		err = nsErr
	}
	return err
}

// labNetwork is where the fabric's bridge is: the namespace of lab init, the
// parent of every node's. It outlives all of them.
func labNetwork(w *state.World) (*namespace.Net, error) {
	for _, name := range slices.Sorted(maps.Keys(w.Nodes)) {
		if w.Nodes[name].PID == 0 {
			continue
		}
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.Nodes[name].PID))
		if err != nil {
			return nil, fmt.Errorf("find the lab's network: %w; are you root?", err)
		}
		for line := range strings.Lines(string(raw)) {
			if text, ok := strings.CutPrefix(line, "PPid:"); ok {
				pid, err := strconv.Atoi(strings.TrimSpace(text))
				if err != nil {
					return nil, fmt.Errorf("find the lab's network: %w", err)
				}
				return namespace.NetOf(pid)
			}
		}
	}
	return nil, fmt.Errorf("find the lab's network: no node of %s runs", w.Topology.Name)
}

// root is the begin of all keys in etcd: nothing of Kubernetes, which keeps to
// /registry.
const root = "/workbench/campaign/"

// Name implements campaign.Store.
func (*Etcd) Name() string { return "etcd" }

// Read implements campaign.Store; it is linearizable.
func (e *Etcd) Read(ctx context.Context, key string) (campaign.Seen, error) {
	resp, err := e.client.Get(ctx, root+key)
	if err != nil || len(resp.Kvs) == 0 {
		return campaign.Seen{}, err
	}
	kv := resp.Kvs[0]
	return campaign.Seen{Value: string(kv.Value), Version: strconv.FormatInt(kv.ModRevision, 10)}, nil
}

// Swap implements campaign.Store: one transaction.
func (e *Etcd) Swap(ctx context.Context, key string, expect campaign.Seen, value string) (campaign.Seen, error) {
	revision := int64(0) // of a key that does not exist
	if expect.Version != "" {
		var err error
		if revision, err = strconv.ParseInt(expect.Version, 10, 64); err != nil {
			return campaign.Seen{}, campaign.Refused{Cause: err}
		}
	}
	resp, err := e.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(root+key), "=", revision)).Then(clientv3.OpPut(root+key, value)).Commit()
	switch {
	case err != nil:
		return campaign.Seen{}, err
	case !resp.Succeeded:
		return campaign.Seen{}, campaign.ErrConflict
	}
	return campaign.Seen{Value: value, Version: strconv.FormatInt(resp.Header.Revision, 10)}, nil
}

// List implements campaign.Store.
func (e *Etcd) List(ctx context.Context, prefix string) (map[string]string, error) {
	resp, err := e.client.Get(ctx, root+prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, kv := range resp.Kvs {
		out[strings.TrimPrefix(string(kv.Key), root)] = string(kv.Value)
	}
	return out, nil
}

// Delete implements campaign.Store.
func (e *Etcd) Delete(ctx context.Context, prefix string) error {
	_, err := e.client.Delete(ctx, root+prefix, clientv3.WithPrefix())
	return err
}

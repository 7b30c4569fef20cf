package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"workbench/cluster/etcdclient"
)

// etcdKey is what the pulse writes: nothing of Kubernetes, which keeps to
// /registry.
const etcdKey = "/workbench/pulse"

// Etcd is the target of a linearisable write to etcd, past the API servers.
// After a failure it connects anew: it would otherwise go on asking a member
// that is frozen.
func Etcd(endpoints []string, cfg *tls.Config, dial Dial) Target {
	var client *clientv3.Client
	return Target{
		Name: EtcdWrite,
		Try: func(ctx context.Context) error {
			if client == nil {
				var err error
				if client, err = clientv3.New(etcdclient.Config(cfg, etcdclient.Dial(dial), endpoints...)); err != nil {
					return fmt.Errorf("connect: %w", err)
				}
			}
			_, err := client.Put(ctx, etcdKey, time.Now().UTC().Format(time.RFC3339Nano))
			return err
		},
		Reset: func() {
			if client != nil {
				_ = client.Close()
				client = nil
			}
		},
	}
}

package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// etcdKey is what the pulse writes: nothing of Kubernetes, which keeps to
// /registry.
const etcdKey = "/workbench/pulse"

// Etcd is the target of a linearisable write to etcd, past the API servers.
// After a failure it connects anew: it would otherwise go on asking a member
// that is frozen.
func Etcd(endpoints []string, cfg *tls.Config, dial Dial) Target {
	var client *clientv3.Client
	dialer := grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		return dial(ctx, "tcp", address)
	})
	return Target{
		Name: EtcdWrite,
		Try: func(ctx context.Context) error {
			if client == nil {
				var err error
				if client, err = clientv3.New(clientv3.Config{
					Endpoints: endpoints, TLS: cfg, Logger: zap.NewNop(), DialOptions: []grpc.DialOption{dialer},
				}); err != nil {
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

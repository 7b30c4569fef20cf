// Package etcdclient is how the lab's programs speak to its etcd: from within the
// lab's network, with mutual TLS, and without a log of gRPC's own.
package etcdclient

import (
	"context"
	"crypto/tls"
	"net"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// Dial connects to an address in the lab; the network is always tcp.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Config is for a client of members at some URLs; callers add time limits.
func Config(secure *tls.Config, dial Dial, endpoints ...string) clientv3.Config {
	return clientv3.Config{
		Endpoints: endpoints, TLS: secure, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return dial(ctx, "tcp", address)
		})},
	}
}

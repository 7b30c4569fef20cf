package balancer

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Role is the balancer's name as argv[0] and as a component of a node.
const Role = "api-balancer"

// Main is the balancer as a component of a worker.
func Main(args []string) error {
	flags := flag.NewFlagSet(Role, flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:6443", "address to serve on")
	backends := flags.String("backends", "", "addresses of the API servers, comma-separated")
	every := flags.Duration("check-interval", time.Second, "time between health checks of one backend")
	hold := flags.Duration("hold", 10*time.Second, "how long clients wait for a first backend that serves")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	b, err := New(Config{
		Listener: listener, Backends: strings.Split(*backends, ","), Every: *every, Hold: *hold,
		Check: Ready(new(net.Dialer).DialContext),
		Log:   slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	return b.Run(ctx)
}

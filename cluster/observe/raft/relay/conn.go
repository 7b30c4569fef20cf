package relay

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"

	"go.uber.org/zap"
)

// serve forwards one connection in both directions until either side ends it.
func (r *Relay) serve(ctx context.Context, client *tls.Conn) {
	w, ok := client.NetConn().(*wire)
	if !ok {
		_ = client.Close()
		return
	}
	defer r.untrack(w)
	if err := checkPeer(ctx, r.cfg.TLS.SkipClientSANVerify, client); err != nil {
		r.cfg.Log.Warn("rejected connection on peer endpoint", zap.Stringer("remote", client.RemoteAddr()), zap.Error(err))
		_ = client.Close()
		return
	}
	backend, err := (&net.Dialer{}).DialContext(ctx, "unix", r.cfg.Backend)
	if err != nil { // etcd does not listen yet, or no longer: the peer tries again
		_ = client.Close()
		return
	}
	var both, decoding sync.WaitGroup
	closeBoth := sync.OnceFunc(func() { _ = client.Close(); _ = backend.Close() })
	stop := context.AfterFunc(ctx, closeBoth)
	defer stop()
	up, down := newFeed(), newFeed()
	decoding.Go(func() { r.decode(w, up, down) })
	both.Go(func() { defer closeBoth(); forward(backend, client, up) })
	both.Go(func() { defer closeBoth(); forward(client, backend, down) })
	both.Wait()
	up.end()
	down.end()
	decoding.Wait()
}

// forwardBytes is the size of a read.
const forwardBytes = 32 << 10

// forward copies from one side to the other; what was written goes to the feed.
func forward(to io.Writer, from io.Reader, feed *feed) {
	buf := make([]byte, forwardBytes)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
			feed.add(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// decode reads along until it cannot.
func (r *Relay) decode(w *wire, up, down *feed) {
	defer up.stop()
	defer down.stop()
	defer func() {
		if p := recover(); p != nil { // a bug here must not end the member
			r.cfg.Sink.Blind(fmt.Errorf("decode a peer connection: %v", p))
		}
	}()
	d := decoder{relay: r, wire: w, up: up, down: down}
	if err := d.run(); err != nil {
		r.cfg.Sink.Blind(err)
	}
}

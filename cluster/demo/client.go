package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"workbench/cluster/event"
	"workbench/cluster/observe/probe"
	"workbench/runtime/namespace"
)

// How the clients ask. The Service's is an open loop: a request every interval,
// whatever became of the others, each on a connection of its own. The API's
// wait for the answer before they ask again.
const (
	serviceInterval = 50 * time.Millisecond
	apiInterval     = 100 * time.Millisecond
	clientTimeout   = time.Second
)

// useService asks the Service at its cluster IP until ctx ends, from a node's
// network namespace: the packets take the rules of that node's kube-proxy.
func useService(ctx context.Context, pid int, address string, emit func(event.Event)) error {
	ns, err := namespace.NetOf(pid)
	if err != nil {
		return fmt.Errorf("use the Service: %w", err)
	}
	defer ns.Close()
	client := &http.Client{Timeout: clientTimeout, Transport: &http.Transport{DialContext: ns.DialContext, DisableKeepAlives: true}}
	var asking sync.WaitGroup
	defer asking.Wait()
	tick := time.NewTicker(serviceInterval)
	defer tick.Stop()
	for {
		asking.Go(func() {
			began := time.Now()
			err := get(ctx, client, "http://"+address+"/")
			end := time.Now()
			if ctx.Err() != nil {
				return
			}
			p := event.Probe{Target: Service, OK: err == nil, Latency: end.Sub(began)}
			if err != nil {
				p.Error = reason(err)
			}
			emit(event.Event{Time: end, Body: p})
		})
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func get(ctx context.Context, client *http.Client, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}

// reason is why a request failed, without what differs between requests.
func reason(err error) string {
	var u *url.Error
	if !errors.As(err, &u) {
		return err.Error()
	}
	if u.Timeout() {
		return "no answer within " + clientTimeout.String()
	}
	for cause := u.Err; cause != nil; cause = errors.Unwrap(cause) {
		err = cause
	}
	return err.Error()
}

// useAPI reads and writes through the host's port until ctx ends.
func useAPI(ctx context.Context, cfg *rest.Config, emit func(event.Event)) error {
	return probe.Run(ctx, probe.Config{
		REST: cfg, Interval: apiInterval, Timeout: clientTimeout,
		Emit: func(body event.Body) {
			p, ok := body.(event.Probe)
			if !ok {
				return
			}
			p.Target = map[string]string{probe.Read: APIRead, probe.Write: APIWrite}[p.Target]
			emit(event.Event{Time: time.Now(), Body: p})
		},
	})
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"workbench/cluster/event"
	"workbench/runtime/namespace"
)

// How the clients ask: in an open loop, as many users do, a request every
// interval whatever became of the others, and each on a connection of its own.
const (
	serviceInterval = 50 * time.Millisecond
	apiInterval     = 100 * time.Millisecond
	clientTimeout   = time.Second
)

// user asks one target again and again.
type user struct {
	target   string
	interval time.Duration
	client   *http.Client
	request  func(context.Context) (*http.Request, error)
	emit     func(event.Event)
}

// use asks until ctx ends and returns when the last answer is in.
func (u user) use(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	tick := time.NewTicker(u.interval)
	defer tick.Stop()
	for {
		asking.Go(func() {
			began := time.Now()
			err := u.ask(ctx)
			end := time.Now()
			if ctx.Err() != nil {
				return
			}
			p := event.Probe{Target: u.target, OK: err == nil, Latency: end.Sub(began)}
			if err != nil {
				p.Error = reason(err)
			}
			u.emit(event.Event{Time: end, Body: p})
		})
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (u user) ask(ctx context.Context) error {
	req, err := u.request(ctx)
	if err != nil {
		return err
	}
	resp, err := u.client.Do(req)
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

// serviceUser asks the Service at its cluster IP, from a node's network
// namespace: the packets take the rules of that node's kube-proxy.
func serviceUser(ns *namespace.Net, address string, emit func(event.Event)) user {
	return user{
		target: Service, interval: serviceInterval, emit: emit,
		client: &http.Client{Timeout: clientTimeout, Transport: &http.Transport{DialContext: ns.DialContext, DisableKeepAlives: true}},
		request: func(ctx context.Context) (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
		},
	}
}

// apiUsers read and write through the host's port. Either needs a quorum of
// etcd: the read names no resource version, the write changes an object of the
// tour's own each time.
func apiUsers(cfg *rest.Config, emit func(event.Event)) ([]user, error) {
	tlsConfig, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("use the API: %w", err)
	}
	client := &http.Client{Timeout: clientTimeout, Transport: &http.Transport{
		DialContext: (&net.Dialer{}).DialContext, TLSClientConfig: tlsConfig, DisableKeepAlives: true,
	}}
	host := strings.TrimSuffix(cfg.Host, "/")
	return []user{
		{target: APIRead, interval: apiInterval, client: client, emit: emit, request: func(ctx context.Context) (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, host+"/api/v1/namespaces/"+appNamespace, nil)
		}},
		{target: APIWrite, interval: apiInterval, client: client, emit: emit, request: func(ctx context.Context) (*http.Request, error) {
			body := strings.NewReader(fmt.Sprintf(`{"data":{"beat":%q}}`, time.Now().UTC().Format(time.RFC3339Nano)))
			req, err := http.NewRequestWithContext(ctx, http.MethodPatch, host+"/api/v1/namespaces/"+appNamespace+"/configmaps/"+beatName, body)
			if err == nil {
				req.Header.Set("Content-Type", "application/merge-patch+json")
			}
			return req, err
		}},
	}, nil
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

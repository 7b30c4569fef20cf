package writer

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"workbench/cluster/campaign"
	"workbench/cluster/layout"
)

// API is a store of ConfigMaps.
type API struct {
	core typed.CoreV1Interface
	http *http.Transport
}

// Namespace is where the ConfigMaps are.
const Namespace = metav1.NamespaceDefault

// label marks the ConfigMaps of all campaigns.
const label = "workbench.local/campaign"

// OpenAPI prepares a client of the lab's API, with connections of its own. It
// speaks HTTP/1.1: a request that is given up takes its connection with it. A
// request is made once: client-go would repeat some.
func OpenAPI(place layout.Lab) (*API, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", place.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("read the lab's kubeconfig: %w", err)
	}
	secure, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("read the lab's kubeconfig: %w", err)
	}
	transport := &http.Transport{
		DialContext: (&net.Dialer{}).DialContext, TLSClientConfig: secure,
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, MaxIdleConnsPerHost: deletions,
	}
	cfg.QPS, cfg.UserAgent = -1, "workbench-campaign"
	core, err := typed.NewForConfigAndClient(cfg, &http.Client{Transport: once{transport}})
	if err != nil {
		return nil, fmt.Errorf("reach the lab's API: %w", err)
	}
	return &API{core: core, http: transport}, nil
}

// once takes from answers what makes client-go ask again: after a failure the
// first request may have had its effect.
type once struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (o once) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := o.next.RoundTrip(r)
	if err == nil {
		resp.Header.Del("Retry-After")
	}
	return resp, err
}

// Close ends the connections.
func (a *API) Close() error {
	a.http.CloseIdleConnections()
	return nil
}

// Name implements campaign.Store.
func (*API) Name() string { return "api" }

func seen(m *corev1.ConfigMap) campaign.Seen {
	return campaign.Seen{Value: m.Data["value"], Version: m.ResourceVersion}
}

// Read implements campaign.Store: a GET without a resource version is
// linearizable.
func (a *API) Read(ctx context.Context, key string) (campaign.Seen, error) {
	m, err := a.core.ConfigMaps(Namespace).Get(ctx, key, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return campaign.Seen{}, nil
	case err != nil:
		return campaign.Seen{}, err
	}
	return seen(m), nil
}

// Swap implements campaign.Store by optimistic concurrency.
func (a *API) Swap(ctx context.Context, key string, expect campaign.Seen, value string) (campaign.Seen, error) {
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: key, ResourceVersion: expect.Version, Labels: map[string]string{label: run(key)}}, Data: map[string]string{"value": value}}
	maps := a.core.ConfigMaps(Namespace)
	var err error
	if expect.Version == "" {
		m, err = maps.Create(ctx, m, metav1.CreateOptions{})
	} else {
		m, err = maps.Update(ctx, m, metav1.UpdateOptions{})
	}
	switch {
	case err == nil:
		return seen(m), nil
	case apierrors.IsAlreadyExists(err), apierrors.IsConflict(err):
		return campaign.Seen{}, campaign.ErrConflict
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsInvalid(err), apierrors.IsTooManyRequests(err), apierrors.IsBadRequest(err):
		return campaign.Seen{}, campaign.Refused{Cause: err} // before it came to storage
	}
	return campaign.Seen{}, err
}

// run is the part of a key that all keys of a run share.
func run(key string) string {
	name, _, _ := strings.Cut(key, ".")
	return name
}

// List implements campaign.Store; without a resource version it is read from etcd.
func (a *API) List(ctx context.Context, prefix string) (map[string]string, error) {
	list, err := a.core.ConfigMaps(Namespace).List(ctx, metav1.ListOptions{LabelSelector: label + "=" + run(prefix)})
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i := range list.Items {
		if m := &list.Items[i]; strings.HasPrefix(m.Name, prefix) {
			out[m.Name] = m.Data["value"]
		}
	}
	return out, nil
}

// deletions is how many requests to delete are under way at a time.
const deletions = 8

// Delete implements campaign.Store.
func (a *API) Delete(ctx context.Context, prefix string) error {
	all, err := a.List(ctx, prefix)
	if err != nil {
		return err
	}
	deleting, ctx := errgroup.WithContext(ctx)
	deleting.SetLimit(deletions)
	for name := range all {
		deleting.Go(func() error {
			err := a.core.ConfigMaps(Namespace).Delete(ctx, name, metav1.DeleteOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return err
		})
	}
	return deleting.Wait()
}

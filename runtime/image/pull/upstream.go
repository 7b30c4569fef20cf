package pull

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"
)

// dialTimeout bounds a connection to a registry.
const dialTimeout = 5 * time.Second

// errSlow says that a registry takes too long.
var errSlow = errors.New("it takes too long")

// upstream asks the registry of a request, with the credentials that came with it.
func (s *Server) upstream(r *http.Request, host string) remotes.Resolver {
	where := &url.URL{Scheme: "https", Host: host}
	if host == "docker.io" {
		where.Host = "registry-1.docker.io"
	}
	if text := s.cfg.Registries[host].URL; text != "" {
		if u, err := url.Parse(text); err == nil {
			where = u
		}
	}
	client := s.client(host)
	authorizer := docker.NewDockerAuthorizer(docker.WithAuthClient(client), docker.WithAuthCreds(func(string) (string, string, error) {
		user, secret, _ := r.BasicAuth()
		return user, secret, nil
	}))
	return docker.NewResolver(docker.ResolverOptions{Hosts: func(string) ([]docker.RegistryHost, error) {
		return []docker.RegistryHost{{
			Client: client, Authorizer: authorizer, Scheme: where.Scheme, Host: where.Host, Path: "/v2",
			Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve,
		}}, nil
	}})
}

// client is the one for a registry, whose connections requests share.
func (s *Server) client(host string) *http.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[host] == nil {
		s.clients[host] = &http.Client{Transport: s.transport(s.cfg.Registries[host])}
	}
	return s.clients[host]
}

// hangUp ends the connections to registries that nobody uses.
func (s *Server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		c.CloseIdleConnections()
	}
}

// trust are the authorities that may sign a registry's certificate: those of the
// machine, and its own.
func trust(registry Registry) *x509.CertPool {
	if len(registry.CA) == 0 {
		return nil // those of the machine
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // the machine has none
	}
	for _, c := range registry.CA {
		pool.AddCert(c)
	}
	return pool
}

// transport connects as the host does, and to addresses of the lab within the lab.
func (s *Server) transport(registry Registry) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if s.inLab(r.URL.Hostname()) {
				return nil, nil
			}
			return s.proxy(r.URL)
		},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, err := net.SplitHostPort(address); err == nil && s.inLab(host) {
				ctx, cancel := context.WithTimeout(ctx, dialTimeout)
				defer cancel()
				return s.cfg.DialLab(ctx, network, address)
			}
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: registry.Insecure, RootCAs: trust(registry)}, //nolint:gosec // the lab file asks for it
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: 2 * s.cfg.Patience,
		IdleConnTimeout:       10 * time.Second,
		MaxIdleConnsPerHost:   4,
		ForceAttemptHTTP2:     true,
	}
}

func (s *Server) inLab(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && s.cfg.InLab(addr)
}

// explain makes of an error of a registry what a node is told.
func (s *Server) explain(r *http.Request, req request, err error) error {
	host := req.registry
	asked := fmt.Errorf("%s: %w", host, reason(err))
	_, _, credentials := r.BasicAuth()
	switch {
	case errdefs.IsNotFound(err):
		return &failure{http.StatusNotFound, fmt.Errorf("%s: %s unknown", host, req.part())}
	case unauthorised(err):
		if credentials {
			return asked
		}
		return &failure{http.StatusUnauthorized, asked}
	case errors.Is(err, errSlow):
		return fmt.Errorf("%s sent nothing for %v", host, s.cfg.Patience)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s did not answer within %v", host, 2*s.cfg.Patience)
	}
	if remedy := remedy(err, host); remedy != "" {
		return fmt.Errorf("%w; %s", asked, remedy)
	}
	return asked
}

// unauthorised says that a registry wants credentials, or others.
func unauthorised(err error) bool {
	var status remoteerrors.ErrUnexpectedStatus
	return errors.Is(err, docker.ErrInvalidAuthorization) || errors.As(err, &status) && status.StatusCode == http.StatusUnauthorized
}

// remedy is what to do about a registry that is asked in another way than it wants;
// "" where nothing is known.
func remedy(err error, host string) string {
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return fmt.Sprintf("give the certificate of its authority in the lab file, spec.images.registries[%q].ca", host)
	case errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Sprintf("it speaks http: say so in the lab file, spec.images.registries[%q].url", host)
	}
	return ""
}

// reason is an error without what containerd's client puts before it.
func reason(err error) error {
	text := strings.ReplaceAll(err.Error(), "failed to do request: ", "")
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

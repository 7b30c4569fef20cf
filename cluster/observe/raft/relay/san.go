package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// checkPeer holds that a peer connects from an address its certificate names.
// It mirrors checkCertSAN of client/pkg/transport/listener_tls.go, which etcd
// applies to its own listener and does not export: addresses must match if
// there are any, else the connection's address must belong to a DNS name.
func checkPeer(ctx context.Context, skip bool, conn *tls.Conn) error {
	certs := conn.ConnectionState().PeerCertificates
	if skip || len(certs) == 0 {
		return nil
	}
	cert := certs[0]
	if len(cert.IPAddresses) == 0 && len(cert.DNSNames) == 0 {
		return nil
	}
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		return err
	}
	if len(cert.IPAddresses) > 0 {
		err := cert.VerifyHostname(host)
		if err == nil || len(cert.DNSNames) == 0 {
			return err
		}
	}
	return belongs(ctx, host, cert.DNSNames)
}

// belongs says whether an address resolves to one of the names, or one of them
// to it.
func belongs(ctx context.Context, host string, names []string) error {
	reverse, errReverse := net.DefaultResolver.LookupAddr(ctx, host)
	for _, name := range reverse {
		name = strings.TrimSuffix(name, ".")
		for _, allowed := range names {
			if rest, wild := strings.CutPrefix(allowed, "*"); allowed == name || wild && strings.HasSuffix(name, rest) {
				return nil
			}
		}
	}
	errs := []error{fmt.Errorf("tls: %q does not match any of DNSNames %q", host, names), errReverse}
	for _, name := range names {
		if strings.HasPrefix(name, "*.") {
			continue
		}
		addrs, err := net.DefaultResolver.LookupHost(ctx, name)
		if slices.Contains(addrs, host) {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

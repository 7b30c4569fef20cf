package balancer

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
)

// Ready is a check that asks a kube-apiserver for /readyz, which includes its
// etcd member: one that is frozen, or cut off from its quorum, still accepts
// connections but serves nobody.
func Ready(dial Dial) func(ctx context.Context, backend string) error {
	client := &http.Client{Transport: &http.Transport{
		DialContext: dial,
		// Health is no secret and decides only where connections go; clients
		// authenticate the server end to end themselves.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec
	}}
	return func(ctx context.Context, backend string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+backend+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			client.CloseIdleConnections() // the next check must not wait on a dead one
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("not ready: %s", resp.Status)
		}
		return nil
	}
}

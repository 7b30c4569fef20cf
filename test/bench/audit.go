package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// audited compares writes with and without the audit sink in kube-apiserver.
type audited struct {
	On  lags `json:"on"`
	Off lags `json:"off"`
}

// auditRounds is how often each is measured, in turns, with so many writes.
const (
	auditRounds = 2
	auditWrites = 150
)

// compareAudit restarts the lab's kube-apiserver with the sink and without, and
// writes one object again and again, one write after the other.
func (l *loader) compareAudit(ctx context.Context) (audited, error) {
	var on, off []time.Duration
	for range auditRounds {
		for _, change := range []struct {
			file string
			into *[]time.Duration
		}{{"mkdir -p /etc/workbench && touch /etc/workbench/no-audit", &off}, {"rm /etc/workbench/no-audit", &on}} {
			for _, args := range [][]string{{"node", "exec", "c1", "--", "sh", "-c", change.file}, {"component", "restart", "--yes", "c1/kube-apiserver"}} {
				if said, err := l.w.command(ctx, args...).CombinedOutput(); err != nil {
					return audited{}, fmt.Errorf("%v: %w: %s", args, err, tail(said))
				}
			}
			took, err := l.writes(ctx, auditWrites)
			if err != nil {
				return audited{}, err
			}
			*change.into = append(*change.into, took...)
		}
	}
	return audited{On: lagsOf(on), Off: lagsOf(off)}, nil
}

// writes measures n writes, once the API answers; the first ones warm it up.
func (l *loader) writes(ctx context.Context, n int) ([]time.Duration, error) {
	const warm = 30
	ctx, stop := context.WithTimeoutCause(ctx, l.o.timeout, fmt.Errorf("no %d writes within %v", n, l.o.timeout))
	defer stop()
	var all []time.Duration
	for i := 0; i < warm+n; {
		patch := fmt.Appendf(nil, `{"data":{"count":"%d"}}`, time.Now().UnixNano())
		began := time.Now()
		_, err := l.kube.CoreV1().ConfigMaps(loadNamespace).Patch(ctx, configMap(0, 0).Name, "application/merge-patch+json", patch, metav1.PatchOptions{})
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case err != nil && i < warm:
			if err := pass(ctx, 100*time.Millisecond); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		}
		if i++; i > warm {
			all = append(all, time.Since(began))
		}
	}
	return all, nil
}

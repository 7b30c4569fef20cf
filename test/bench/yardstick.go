package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"k8s.io/client-go/rest"

	"workbench/cluster/layout"
	"workbench/runtime/image/store"
	"workbench/runtime/namespace"
	"workbench/test/bench/bare"
)

// bootBare measures the same components started by the bare starter.
func bootBare(ctx context.Context, place layout.Lab, s shape, variant string, run int, fresh, inOrder bool) (sample, *bare.Lab, error) {
	out := sample{Shape: s.String(), Variant: variant, Run: run}
	golden, err := store.Ensure(ctx, store.Config{Dir: place.Images()})
	if err != nil {
		return out, nil, err
	}
	cfg, p, err := bare.Prepare(place, golden, fresh, inOrder)
	if err != nil {
		return out, nil, err
	}
	before, err := machineBusy()
	if err != nil {
		return out, nil, err
	}
	began := time.Now()
	lab, err := bare.Start(cfg)
	if err != nil {
		return out, nil, err
	}
	ns, err := namespace.NetOf(lab.PID)
	if err != nil {
		return out, lab, err
	}
	defer ns.Close()
	out.stages, err = observer{
		began: began, kubeconfig: place.Kubeconfig(), workers: s.Workers, pod: fmt.Sprintf("bench-%d", began.UnixNano()),
		dial: func(c *rest.Config) { c.Dial = anyOf(ns, p.APIServers()) },
	}.observe(ctx)
	if err != nil {
		return out, lab, err
	}
	cpu, err := treeCPU(lab.PID)
	if err != nil {
		return out, lab, err
	}
	return out, lab, out.account(cpu, before)
}

// anyOf connects to the first of the addresses that takes the connection.
func anyOf(ns *namespace.Net, addresses []string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var last error
		for _, address := range addresses {
			conn, err := ns.DialContext(ctx, network, address)
			if err == nil {
				return conn, nil
			}
			last = err
		}
		return nil, last
	}
}

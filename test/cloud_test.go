package test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/runtime/namespace"
	"workbench/test/harness"
)

// balancedService has a load balancer in front of the pods of demo.
const balancedService = `
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {type: LoadBalancer, externalTrafficPolicy: %s, selector: {app: demo}, ports: [{port: 80, targetPort: 8080}]}
`

// testCloud asks the cluster's cloud for all it has, and takes its controller away.
func testCloud(t *testing.T, lab *harness.Lab) {
	testInstances(t, lab)
	testRoutes(t, lab)
	testForeignNode(lab)

	lab.Apply(fmt.Sprintf(balancedService, "front", "Cluster"))
	address := balancedAt(lab, "front")
	if have := lab.Kubectl("get", "service", "front", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"); have != address {
		t.Errorf("kubectl has the address %s, the world %s", have, address)
	}
	testReached(t, lab, address)
	testOpened(t, lab)
	testWithoutController(t, lab, address)

	lab.Kubectl("delete", "service", "front")
	lab.Apply(fmt.Sprintf(balancedService, "local", "Local"))
	again := balancedAt(lab, "local")
	if again != address {
		t.Errorf("the next Service has %s, want %s, which is free again", again, address)
	}
	if raw, err := fromFabric(lab, again); err != nil || !strings.Contains(raw, "pod=demo-") {
		t.Errorf("with the policy Local %s answers %q, %v", again, raw, err)
	}
	lab.Kubectl("delete", "service", "local")
}

func balancedAt(lab *harness.Lab, name string) string {
	w := lab.Await("Service "+name+" to have an address", func(w *state.World) bool {
		s := w.Kube.Services["default/"+name]
		return s != nil && len(s.LoadBalancer) == 1
	})
	return w.Kube.Services["default/"+name].LoadBalancer[0]
}

// testInstances finds each Node initialised by its instance.
func testInstances(t *testing.T, lab *harness.Lab) {
	for _, node := range workers(lab.World()) {
		got := lab.Kubectl("get", "node", node, "-o",
			`jsonpath={.spec.providerID} {.status.conditions[?(@.type=="NetworkUnavailable")].reason} [{.spec.taints[*].key}]`)
		if want := "workbench://" + lab.Name + "/" + node + " RouteCreated []"; got != want {
			t.Errorf("node %s is %q, want %q", node, got, want)
		}
	}
}

// testForeignNode finds a Node deleted that no instance is behind.
func testForeignNode(lab *harness.Lab) {
	lab.Apply("apiVersion: v1\nkind: Node\nmetadata: {name: w99}\n")
	lab.Kubectl("wait", "--for=delete", "node/w99", "--timeout=60s")
}

// testRoutes finds every pod network in the routing table of every other node.
func testRoutes(t *testing.T, lab *harness.Lab) {
	w := lab.World()
	for _, n := range w.Topology.Nodes {
		table := lab.Must("node", "exec", n.Name, "--", "cat", "/proc/net/route")
		for _, to := range workers(w) {
			cidr, err := netip.ParsePrefix(w.Kube.Nodes[to].PodCIDR)
			if err != nil {
				t.Fatal(err)
			}
			// The kernel prints the words of addresses as they are in memory.
			ip, via := cidr.Addr().As4(), netip.MustParseAddr(w.Nodes[to].IP).As4()
			line := fmt.Sprintf("eth0\t%02X%02X%02X%02X\t%02X%02X%02X%02X\t", ip[3], ip[2], ip[1], ip[0], via[3], via[2], via[1], via[0])
			if want := to != n.Name; strings.Contains(table, line) != want {
				t.Errorf("%s has a route to the pods of %s: %v, want %v\n%s", n.Name, to, !want, want, table)
			}
		}
	}
}

// testReached asks the address from where its clients are.
func testReached(t *testing.T, lab *harness.Lab, address string) {
	w := lab.World()
	for _, n := range w.Topology.Nodes {
		ns, err := namespace.NetOf(w.Nodes[n.Name].PID)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := get(ns.DialContext, address)
		_ = ns.Close()
		if err != nil || !strings.Contains(raw, "pod=demo-") {
			t.Errorf("from %s: %q, %v", n.Name, raw, err)
		}
	}
	for _, node := range workers(w) {
		lab.Eventually("an answer in a pod of "+node, "kubectl", "exec", toolbox(t, w, node), "--", "wget", "-qO-", "http://"+address+"/")
	}
	if raw, err := fromFabric(lab, address); err != nil || !strings.Contains(raw, "pod=demo-") {
		t.Errorf("from the fabric: %q, %v", raw, err)
	}
}

// fromFabric asks from the lab's own namespace, where there is no kube-proxy.
func fromFabric(lab *harness.Lab, address string) (string, error) {
	ns, err := namespace.NetOf(lab.Init(lab.Supervisor()))
	if err != nil {
		return "", err
	}
	defer ns.Close()
	return get(ns.DialContext, address)
}

// get asks until it is answered: kube-proxy and the balancer learn of a Service
// at the same time as who watches it.
func get(dial func(ctx context.Context, network, address string) (net.Conn, error), host string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/", nil)
		if err != nil {
			return "", err
		}
		resp, err := client.Do(req)
		if err == nil {
			defer resp.Body.Close()
			raw, err := io.ReadAll(resp.Body)
			return string(raw), err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(askEvery):
		}
	}
}

// askEvery is the time between two attempts.
const askEvery = 50 * time.Millisecond

// testOpened reaches Services from the host.
func testOpened(t *testing.T, lab *harness.Lab) {
	var hosts []string
	for _, service := range []string{"front", "demo"} { // a load balancer, and a cluster IP
		link := strings.TrimSpace(lab.Must("open", "svc/"+service))
		u, err := url.Parse(link)
		if err != nil || u.Hostname() != "127.0.0.1" {
			t.Fatalf("open svc/%s prints %q", service, link)
		}
		if again := strings.TrimSpace(lab.Must("open", "svc/"+service)); again != link {
			t.Errorf("opened again, %s is %s instead of %s", service, again, link)
		}
		var d net.Dialer
		if raw, err := get(d.DialContext, u.Host); err != nil || !strings.Contains(raw, "pod=demo-") {
			t.Errorf("%s answers %q, %v", link, raw, err)
		}
		if list := lab.Must("open", "--list"); !strings.Contains(list, link) {
			t.Errorf("open --list lacks %s:\n%s", link, list)
		}
		hosts = append(hosts, u.Host)
	}
	lab.Refused([]string{"open", "svc/nobody-there"}, "no Service nobody-there")
	lab.Refused([]string{"open", "svc/front", "--port", "81"}, "no TCP port 81", "[80]")
	lab.Must("open", "svc/front", "--close")
	lab.Must("open", "svc/demo", "--close")
	for _, host := range hosts {
		if conn, err := net.Dial("tcp", host); err == nil {
			_ = conn.Close()
			t.Errorf("%s is closed, and accepts connections", host)
		}
	}
	lab.Refused([]string{"open", "svc/front", "--close"}, "not open")
}

// testWithoutController kills all cloud-controller-managers: what exists stays,
// what is new waits for them.
func testWithoutController(t *testing.T, lab *harness.Lab, address string) {
	const manager = "cloud-controller-manager"
	var planes []string
	for _, n := range lab.World().Topology.Nodes {
		if n.Role == event.ControlPlane {
			planes = append(planes, n.Name)
			lab.Must("component", "kill", "--yes", n.Name+"/"+manager)
		}
	}
	lab.Apply(fmt.Sprintf(balancedService, "late", "Cluster"))
	w := lab.Await("Service late to have endpoints", func(w *state.World) bool {
		for _, s := range w.Kube.Slices {
			if s.Service == "late" && len(s.Endpoints) > 0 {
				return true
			}
		}
		return false
	})
	if got := w.Kube.Services["default/late"].LoadBalancer; len(got) > 0 {
		t.Errorf("without a controller Service late has %v", got)
	}
	lab.Refused([]string{"open", "svc/late"}, "no address yet", manager)
	if raw, err := fromFabric(lab, address); err != nil || !strings.Contains(raw, "pod=demo-") {
		t.Errorf("without a controller %s answers %q, %v", address, raw, err)
	}
	for _, n := range planes {
		lab.Must("component", "start", n+"/"+manager)
	}
	if got := balancedAt(lab, "late"); got == address {
		t.Errorf("both Services have %s", got)
	}
	lab.Kubectl("delete", "service", "late")
}

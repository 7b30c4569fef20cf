package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/runtime/namespace"
	"workbench/test/harness"
)

// withoutFilter is a lab file whose kube-proxy carries connections itself.
const withoutFilter = `apiVersion: workbench/v1alpha1
kind: Lab
spec:
  controlPlanes: {count: 1}
  workers: {count: 1}
  network: {proxyMode: userspace}
`

// unenforced is a policy that would cut off the pods of a Service.
const unenforced = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {matchLabels: {app: proxied}}, policyTypes: [Ingress]}
`

// testUserspace reaches Services without any rule of a packet filter, and holds
// what is told of that against what clients see.
func testUserspace(t *testing.T, lab *harness.Lab) {
	t.Helper()
	lab.Apply(proxied)
	agreed(t, lab, 2)
	w := lab.World()
	n := w.Proxy.Nodes["w1"]
	if n.Mode != "userspace" || n.Services["default/sticky"].Affinity != 10800 {
		t.Errorf("kube-proxy of w1: %+v", n.ProxyNode)
	}
	if rules := inNode(t, w.Nodes["w1"].PID, "iptables-save"); strings.Contains(rules, "KUBE-SERVICES") || strings.Contains(rules, "KUBE-SVC") {
		t.Errorf("kube-proxy wrote rules:\n%s", rules)
	}
	if rules := inNode(t, w.Nodes["w1"].PID, "nft", "list", "tables"); strings.Contains(rules, "kube-proxy") {
		t.Errorf("kube-proxy made a table:\n%s", rules)
	}
	checkNames(t, lab)
	checkSpread(t, lab)
	checkSticky(t, lab)
	checkBalanced(t, lab)
	checkUserspaceTraces(t, lab)
	checkUnenforced(t, lab)
	if out := lab.Must("proxy", "rules", "w1", "proxied"); !strings.Contains(out, "listen on tcp "+w.Kube.Services["default/proxied"].ClusterIP+":80") || strings.Contains(out, "sticky") {
		t.Errorf("the rules of proxied are\n%s", out)
	}
	if table := lab.Must("proxy", "services"); !strings.Contains(table, proxiedKey) || !strings.Contains(table, "none: reject") {
		t.Errorf("services are\n%s", table)
	}
	lab.Kubectl("scale", "deployment/proxied", "--replicas=0")
	agreed(t, lab, 0)
	if r := lab.Run("kubectl", "exec", "caller", "--", "wget", "-q", "-T", "5", "-O", "-", "http://"+w.Kube.Services["default/proxied"].ClusterIP+"/"); r.Code == 0 || !strings.Contains(r.Stderr+r.Stdout, "refused") {
		t.Errorf("without endpoints: %s%s", r.Stdout, r.Stderr)
	}
	lab.Kubectl("scale", "deployment/proxied", "--replicas=1")
	agreed(t, lab, 1)
	checkWithoutProxy(t, lab)
}

// checkNames resolves a name over UDP, by the address of the name service.
func checkNames(t *testing.T, lab *harness.Lab) {
	t.Helper()
	out := lab.Eventually("a name", "kubectl", "exec", "caller", "--", "nslookup", "proxied")
	if ip := lab.World().Kube.Services["default/proxied"].ClusterIP; !strings.Contains(out, ip) {
		t.Errorf("proxied resolves to %s, want %s", out, ip)
	}
	lab.Await("the datagrams to be counted", func(w *state.World) bool {
		s := w.Proxy.Nodes["w1"].Services["kube-system/kube-dns:dns"]
		return s != nil && s.Count.Conns > 0 && s.Count.Bytes > 0
	})
}

// checkSpread counts the answers of each pod, and finds the same numbers told.
func checkSpread(t *testing.T, lab *harness.Lab) {
	t.Helper()
	w := lab.World()
	before := w.Proxy.Nodes["w1"].Services[proxiedKey].Count
	out := lab.Must("kubectl", "exec", "caller", "--", "sh", "-c",
		fmt.Sprintf("i=0; while [ $i -lt 24 ]; do wget -q -T 5 -O - http://%s/ || exit 1; i=$((i+1)); done", w.Kube.Services["default/proxied"].ClusterIP))
	want := map[string]uint64{}
	for name, p := range podsOf(w, "proxied") {
		want[p.IP+":8080"] = before.Endpoints[p.IP+":8080"].Conns + uint64(strings.Count(out, "pod="+name))
	}
	got := map[string]uint64{}
	w = lab.Await("24 connections to be counted", func(w *state.World) bool {
		c := w.Proxy.Nodes["w1"].Services[proxiedKey].Count
		return c.Conns == before.Conns+24 && c.Bytes >= before.Bytes+uint64(len(out)) && c.Entries == 0
	})
	for address, e := range w.Proxy.Nodes["w1"].Services[proxiedKey].Count.Endpoints {
		got[address] = e.Conns
	}
	if !maps.Equal(got, want) {
		t.Errorf("endpoints got %v by what is told, %v by what they answered", got, want)
	}
}

// checkSticky comes to one Service by its node port and its cluster IP.
func checkSticky(t *testing.T, lab *harness.Lab) {
	t.Helper()
	w := lab.World()
	var port int
	for _, f := range w.Proxy.Nodes["w1"].Services["default/sticky"].Frontends {
		if f.Kind == "node" {
			port = f.Port
		}
	}
	ns, err := namespace.NetOf(w.Nodes["c1"].PID)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	first := ""
	for range 6 {
		out, err := get(ns.DialContext, net.JoinHostPort(w.Nodes["w1"].IP, fmt.Sprint(port)))
		if err != nil || !strings.Contains(out, "pod=proxied-") {
			t.Fatalf("node port %d answers %q, %v", port, out, err)
		}
		if _, pod, _ := strings.Cut(out, "pod="); first == "" {
			first = strings.Fields(pod)[0]
		} else if strings.Fields(pod)[0] != first {
			t.Errorf("c1 was sent to %s and then to %s", first, pod)
		}
	}
	for _, address := range []string{w.Kube.Services["default/sticky"].ClusterIP, "192.0.2.10"} {
		if out := lab.Must("kubectl", "exec", "caller", "--", "wget", "-q", "-T", "5", "-O", "-", "http://"+address+"/"); !strings.Contains(out, "pod=proxied-") {
			t.Errorf("%s answers %q", address, out)
		}
	}
}

// gateway is the fabric's own address in a lab whose file says nothing of it.
const gateway = "10.10.0.1"

// balancedProxied is a Service of proxied with a load balancer, for some clients.
const balancedProxied = `
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {type: LoadBalancer, loadBalancerSourceRanges: [%s], selector: {app: proxied}, ports: [{port: 80, targetPort: 8080}]}
`

// checkBalanced comes to a load balancer's address from nodes, from the fabric and
// from a pod: from all of them, and then from one at a time that may.
func checkBalanced(t *testing.T, lab *harness.Lab) {
	t.Helper()
	lab.Apply(fmt.Sprintf(balancedProxied, ""))
	address := balancedAt(lab, "front")
	w := lab.Await("kube-proxy to listen at "+address, func(w *state.World) bool {
		s := w.Proxy.Nodes["w1"].Services["default/front"]
		return s != nil && slices.ContainsFunc(s.Frontends, func(f event.ProxyFrontend) bool {
			return f.Kind == "loadbalancer" && f.IP == address && f.Port == 80 && f.Problem == ""
		})
	})
	clients := balancedClients(t, lab)
	for name, ask := range clients {
		await(t, name+" to be answered at "+address, func() error { return answers(ask(address)) })
	}
	pod := podsOf(w, "caller")["caller"].IP
	for name, only := range map[string]string{"c1": w.Nodes["c1"].IP, "w1": w.Nodes["w1"].IP, "caller": pod, "the fabric": gateway} {
		lab.Apply(fmt.Sprintf(balancedProxied, only+"/32"))
		for other, ask := range clients {
			if other != name {
				await(t, other+" to be reset at "+address+", which is for "+name, func() error { return isReset(ask(address)) })
			}
		}
		await(t, name+" to be answered at "+address+", which is for it", func() error { return answers(clients[name](address)) })
		if err := answers(clients["caller"](w.Kube.Services["default/front"].ClusterIP)); err != nil {
			t.Errorf("at its cluster IP, while the balancer's address is for %s: %v", name, err)
		}
	}
	lab.Kubectl("delete", "service", "front")
	lab.Await("the balancer's address to be let go", func(w *state.World) bool { return w.Proxy.Nodes["w1"].Services["default/front"] == nil })
}

// balancedClients ask an address once, each from its place.
func balancedClients(t *testing.T, lab *harness.Lab) map[string]func(address string) (string, error) {
	t.Helper()
	w := lab.World()
	from := func(pid int) func(string) (string, error) {
		ns, err := namespace.NetOf(pid)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ns.Close() })
		client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: ns.DialContext, DisableKeepAlives: true}}
		return func(address string) (string, error) {
			resp, err := client.Get("http://" + address + "/")
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			raw, err := io.ReadAll(resp.Body)
			return string(raw), err
		}
	}
	return map[string]func(string) (string, error){
		"c1": from(w.Nodes["c1"].PID), "w1": from(w.Nodes["w1"].PID), "the fabric": from(lab.Init(lab.Supervisor())),
		"caller": func(address string) (string, error) {
			r := lab.Run("kubectl", "exec", "caller", "--", "wget", "-q", "-T", "5", "-O", "-", "http://"+address+"/")
			if r.Code != 0 {
				return "", errors.New(r.Stdout + r.Stderr)
			}
			return r.Stdout, nil
		},
	}
}

func answers(text string, err error) error {
	if err == nil && !strings.Contains(text, "pod=proxied-") {
		err = fmt.Errorf("the answer is %q", text)
	}
	return err
}

func isReset(text string, err error) error {
	switch {
	case err == nil:
		return fmt.Errorf("the answer is %q", text)
	case !strings.Contains(err.Error(), "reset by peer") && !strings.Contains(err.Error(), "broken pipe"):
		return err
	}
	return nil
}

// await tries again until something is so: kube-proxy learns of a Service as who
// watches it does.
func await(t *testing.T, what string, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Errorf("waited %v for %s: %v", harness.Patience, what, err)
			return
		case <-time.After(askEvery):
		}
	}
}

func traced(t *testing.T, lab *harness.Lab, service string) event.ProxyTrace {
	t.Helper()
	var got event.ProxyTrace
	if err := json.Unmarshal([]byte(lab.Must("proxy", "trace", "caller", service, "-o", "json")), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func checkUserspaceTraces(t *testing.T, lab *harness.Lab) {
	t.Helper()
	got := traced(t, lab, "proxied:80")
	var pod struct{ Status struct{ PodIP string } }
	lab.Object(&pod, "pod", strings.TrimPrefix(got.Pod, "default/"))
	if got.Verdict != "reply" || got.Mode != "userspace" || got.Endpoint != pod.Status.PodIP+":8080" || got.PodNode != "w1" || got.Masqueraded == "" || len(got.Limits) > 0 {
		t.Errorf("traced %+v", got)
	}
	var verdicts []string
	for _, s := range got.Steps {
		verdicts = append(verdicts, s.Verdict)
	}
	if want := []string{"accept", "endpoint " + got.Endpoint, "connected"}; !slices.Equal(verdicts, want) {
		t.Errorf("steps %v, want %v", verdicts, want)
	}
	if got := traced(t, lab, "nobody"); got.Verdict != "refused" || got.Endpoint != "" || !strings.Contains(got.Detail, "no endpoint") {
		t.Errorf("traced %+v", got)
	}
}

// checkUnenforced makes a policy that denies all, which is told to have no effect.
func checkUnenforced(t *testing.T, lab *harness.Lab) {
	t.Helper()
	lab.Apply(unenforced)
	w := lab.Await("the policy to be known", func(w *state.World) bool { return w.Kube.NetworkPolicies["default/deny"] != nil })
	lab.Must("kubectl", "exec", "caller", "--", "wget", "-q", "-T", "5", "-O", "-", "http://"+w.Kube.Services["default/proxied"].ClusterIP+"/")
	lab.Kubectl("delete", "networkpolicy", "deny")
	lab.Await("the policy to be forgotten", func(w *state.World) bool { return len(w.Kube.NetworkPolicies) == 0 })
}

// checkWithoutProxy stops kube-proxy in two ways: what it carried ends, and it is
// told so.
func checkWithoutProxy(t *testing.T, lab *harness.Lab) {
	t.Helper()
	lab.Must("component", "pause", "--yes", "w1/kube-proxy")
	if got := traced(t, lab, "proxied:80"); got.Verdict != "no reply" || !strings.Contains(got.Detail, "does nothing with it") {
		t.Errorf("with a frozen kube-proxy: %+v", got)
	}
	lab.Must("component", "resume", "w1/kube-proxy")
	lab.Must("component", "kill", "--yes", "w1/kube-proxy")
	lab.Await("nothing to be served", func(w *state.World) bool { return w.Proxy.Nodes["w1"].Idle() })
	if got := traced(t, lab, "proxied:80"); got.Verdict != "refused" || !strings.Contains(got.Detail, "does not run") {
		t.Errorf("without kube-proxy: %+v", got)
	}
	lab.Must("component", "start", "w1/kube-proxy")
	agreed(t, lab, 1)
	if got := traced(t, lab, "proxied:80"); got.Verdict != "reply" {
		t.Errorf("with kube-proxy again: %+v", got)
	}
}

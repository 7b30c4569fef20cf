package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/runtime/namespace"
	"workbench/test/harness"
)

// proxied is a Deployment behind Services of different kinds, one Service without
// endpoints, and a client.
const proxied = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: proxied}
spec:
  replicas: 2
  selector: {matchLabels: {app: proxied}}
  template:
    metadata: {labels: {app: proxied}}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations: [{operator: Exists}]
      containers: [{name: demo, image: "workbench.local/demo:2", readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}}]
---
apiVersion: v1
kind: Service
metadata: {name: proxied}
spec: {selector: {app: proxied}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: sticky}
spec: {type: NodePort, externalIPs: [192.0.2.10], externalTrafficPolicy: Local, sessionAffinity: ClientIP, selector: {app: proxied}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: caller, labels: {app: caller}}
spec:
  terminationGracePeriodSeconds: 0
  nodeName: w1
  tolerations: [{operator: Exists}]
  containers: [{name: toolbox, image: "workbench.local/toolbox:1", command: [sleep, "1000000"]}]
`

const proxiedKey = "default/proxied:http"

// testProxy compares what the rules screen is drawn from with the kernel's own
// tables, the API's EndpointSlices and kube-proxy's own health.
func testProxy(t *testing.T, lab *harness.Lab) {
	lab.Apply(proxied)
	t.Cleanup(func() {
		lab.Kubectl("delete", "deployment/proxied", "service/proxied", "service/sticky", "service/nobody", "pod/caller", "--now")
	})
	agreed(t, lab, 2)
	w := lab.World()
	checkRules(t, lab, w)
	checkSync(t, lab)

	ip, none := w.Kube.Services["default/proxied"].ClusterIP, w.Kube.Services["default/nobody"].ClusterIP
	call := func(n int) {
		t.Helper()
		lab.Must("kubectl", "exec", "caller", "--", "sh", "-c",
			fmt.Sprintf("i=0; while [ $i -lt %d ]; do wget -q -T 5 -O /dev/null http://%s/ || exit 1; i=$((i+1)); done", n, ip))
	}
	lab.Eventually("the Service answers", "kubectl", "exec", "caller", "--", "wget", "-q", "-T", "5", "-O", "-", "http://"+ip+"/")
	start := settledCount(lab)
	call(12)
	counted(lab, start+12)
	checkEntries(t, lab, ip)
	checkRefused(t, lab, none)
	checkKinds(t, lab)
	// Another endpoint: kube-proxy writes the service's rules anew.
	before := lab.World().Proxy.Nodes["w1"].LastSync()
	lab.Kubectl("scale", "deployment/proxied", "--replicas=3")
	agreed(t, lab, 3)
	lab.Await("the sync to be told", func(w *state.World) bool {
		now := w.Proxy.Nodes["w1"].LastSync()
		return now.Synced.After(before.Synced) && slices.ContainsFunc(w.Proxy.Nodes["w1"].Syncs, func(s state.ProxySync) bool {
			return s.Synced.After(before.Synced) && s.Added > 0 && len(s.Changes) > 0
		})
	})
	if got := lab.World().Proxy.Nodes["w1"].Services[proxiedKey].Count.Conns; got < start+12 {
		t.Errorf("%d connections after the rules were written anew, %d before", got, start+12)
	}
	call(5)
	counted(lab, start+17)
	checkTraces(t, lab, ip, none)
	checkRulesCommand(t, lab)
}

// checkRefused counts connections to a Service without endpoints: each is one
// packet that is refused, no more and no less.
func checkRefused(t *testing.T, lab *harness.Lab, ip string) {
	t.Helper()
	count := func(w *state.World) uint64 { return w.Proxy.Nodes["w1"].Services["default/nobody"].Count.Rejected }
	before := count(lab.World())
	for range 3 {
		if r := lab.Run("kubectl", "exec", "caller", "--", "wget", "-q", "-T", "5", "-O", "-", "http://"+ip+"/"); r.Code == 0 {
			t.Error("a Service without endpoints answers")
		}
	}
	w := lab.Await("three more refused packets", func(w *state.World) bool { return count(w) >= before+3 })
	if got := count(w); got != before+3 {
		t.Errorf("%d refused packets, want %d", got, before+3)
	}
}

// checkKinds gives the Service with an external IP a load balancer's too, and
// holds that each is called what the API calls it.
func checkKinds(t *testing.T, lab *harness.Lab) {
	t.Helper()
	lab.Kubectl("patch", "service", "sticky", "--type=merge", "-p", `{"spec":{"type":"LoadBalancer","loadBalancerClass":"example.com/none"}}`)
	lab.Kubectl("patch", "service", "sticky", "--subresource=status", "--type=merge", "-p", `{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.20"}]}}}`)
	lab.Await("the addresses of sticky by their kinds", func(w *state.World) bool {
		s := w.Proxy.Nodes["w1"].Services["default/sticky"]
		if s == nil {
			return false
		}
		kinds := map[string]string{}
		for _, f := range s.Frontends {
			kinds[w.FrontendKind(s, f)] += f.IP
		}
		return maps.Equal(kinds, map[string]string{"cluster": w.Kube.Services["default/sticky"].ClusterIP, "node": "", "external": "192.0.2.10", "loadbalancer": "192.0.2.20"})
	})
}

// agreed waits until the rules on all workers have the ready endpoints.
func agreed(t *testing.T, lab *harness.Lab, endpoints int) {
	t.Helper()
	lab.Await(fmt.Sprintf("all rules to have %d endpoints", endpoints), func(w *state.World) bool {
		truth := w.Truth("default/proxied")
		if len(truth.Pods) != endpoints || !slices.Equal(truth.Pods, truth.Slices) || len(truth.Nodes) != len(workers(w)) || !allReady(w, "caller", 1) {
			return false
		}
		for _, n := range truth.Nodes {
			if n.Behind() || n.Down || n.Lost || len(n.Rules) != endpoints || n.Idle {
				return false
			}
			services := w.Proxy.Nodes[n.Node].Services
			if services["default/nobody"] == nil || services["default/nobody"].Refused != "reject" || services["default/sticky"] == nil {
				return false
			}
		}
		return true
	})
}

// settledCount is the connections counted on w1 once all of them are.
func settledCount(lab *harness.Lab) uint64 {
	w := lab.Await("the first connection to be counted", func(w *state.World) bool {
		return w.Proxy.Nodes["w1"].Services[proxiedKey].Count.Conns > 0
	})
	return w.Proxy.Nodes["w1"].Services[proxiedKey].Count.Conns
}

func counted(lab *harness.Lab, conns uint64) {
	lab.Await(fmt.Sprintf("%d connections to be counted", conns), func(w *state.World) bool {
		n := w.Proxy.Nodes["w1"]
		s := n.Services[proxiedKey]
		if s == nil {
			return false
		}
		sum := uint64(0)
		for _, e := range s.Count.Endpoints {
			sum += e.Conns
		}
		return s.Count.Conns == conns && sum == conns && s.Count.Bytes > 100*conns && (n.Mode == "nftables" || s.Count.Hits == conns)
	})
}

// checkRules compares endpoints with EndpointSlices and with the rules as the
// kernel's tools print them.
func checkRules(t *testing.T, lab *harness.Lab, w *state.World) {
	var slicesOf struct {
		Items []struct {
			Endpoints []struct {
				Addresses  []string
				Conditions struct{ Ready bool }
			}
		}
	}
	lab.Object(&slicesOf, "endpointslices", "-l", "kubernetes.io/service-name=proxied")
	var want []string
	for _, item := range slicesOf.Items {
		for _, e := range item.Endpoints {
			if e.Conditions.Ready {
				want = append(want, e.Addresses[0]+":8080")
			}
		}
	}
	slices.Sort(want)
	for _, name := range workers(w) {
		n := w.Proxy.Nodes[name]
		s := n.Services[proxiedKey]
		var got []string
		sum := 0.0
		for _, e := range s.Endpoints {
			got = append(got, e.Address)
			sum += e.Cluster
		}
		if !slices.Equal(got, want) || sum < 0.999 || sum > 1.001 {
			t.Errorf("%s sends to %v with probability %v, EndpointSlices have %v", name, got, sum, want)
		}
		if printed := printedEndpoints(t, w, name, n.Mode); !slices.Equal(printed, want) {
			t.Errorf("the rules on %s have %v, EndpointSlices %v", name, printed, want)
		}
		sticky := n.Services["default/sticky"]
		if sticky.Affinity != 10800 {
			t.Errorf("affinity on %s is %d s", name, sticky.Affinity)
		}
		if !slices.ContainsFunc(sticky.Frontends, func(f event.ProxyFrontend) bool { return f.Kind == "node" && f.Policy == "local" && f.Port >= 30000 }) {
			t.Errorf("frontends on %s: %+v", name, sticky.Frontends)
		}
	}
}

// printedEndpoints finds the endpoints of the service in iptables-save or nft.
func printedEndpoints(t *testing.T, w *state.World, node, mode string) []string {
	t.Helper()
	pid := w.Nodes[node].PID
	var found [][]string
	if mode == "iptables" {
		text := inNode(t, pid, "iptables-save", "-t", "nat")
		found = regexp.MustCompile(`--comment "?default/proxied:http"? .*--to-destination (\S+)`).FindAllStringSubmatch(text, -1)
	} else {
		text := inNode(t, pid, "nft", "list", "table", "ip", "kube-proxy")
		_, chain, _ := strings.Cut(text, "-default/proxied/tcp/http {")
		chain, _, _ = strings.Cut(chain, "\n\t}")
		for _, m := range regexp.MustCompile(`: ([0-9.]+) \. ([0-9]+)`).FindAllStringSubmatch(chain, -1) {
			found = append(found, []string{"", m[1] + ":" + m[2]})
		}
	}
	out := []string{}
	for _, m := range found {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// checkSync compares the last sync with what kube-proxy answers on the node.
func checkSync(t *testing.T, lab *harness.Lab) {
	w := lab.World()
	ns, err := namespace.NetOf(w.Nodes["w1"].PID)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	client := http.Client{Transport: &http.Transport{DialContext: ns.DialContext, DisableKeepAlives: true}, Timeout: harness.Patience}
	resp, err := client.Get("http://127.0.0.1:10256/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Status map[string]struct{ LastUpdated time.Time }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	want := answer.Status["IPv4"].LastUpdated
	lab.Await("the last sync to be "+want.String(), func(w *state.World) bool {
		s := w.Proxy.Nodes["w1"].LastSync()
		return s != nil && s.Healthy && !s.Synced.Before(want)
	})
}

// kernelEntries are the conntrack entries of connections to an address on w1, as
// the kernel prints them: how many by endpoint, and the endpoint by client port.
func kernelEntries(t *testing.T, lab *harness.Lab, ip string) (byEndpoint map[string]int, byPort map[string]string) {
	t.Helper()
	byEndpoint, byPort = map[string]int{}, map[string]string{}
	text := inNode(t, lab.World().Nodes["w1"].PID, "cat", "/proc/net/nf_conntrack")
	entry := regexp.MustCompile(`dst=` + regexp.QuoteMeta(ip) + ` sport=(\d+) dport=80 .*?src=(\S+) dst=\S+ sport=(\d+)`)
	for _, m := range entry.FindAllStringSubmatch(text, -1) {
		byEndpoint[m[2]+":"+m[3]]++
		byPort[m[1]] = m[2] + ":" + m[3]
	}
	return byEndpoint, byPort
}

// checkEntries compares conntrack entries with the kernel's table.
func checkEntries(t *testing.T, lab *harness.Lab, ip string) {
	want, _ := kernelEntries(t, lab, ip)
	if len(want) == 0 {
		t.Fatal("the kernel has no entry of any connection")
	}
	got := map[string]int{}
	for address, e := range lab.World().Proxy.Nodes["w1"].Services[proxiedKey].Count.Endpoints {
		if e.Entries > 0 {
			got[address] = e.Entries
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("entries %v, the kernel has %v", got, want)
	}
}

// checkTraces traces a connection that is answered and one that is refused, and
// finds nothing left of the traces.
func checkTraces(t *testing.T, lab *harness.Lab, ip, none string) {
	var got event.ProxyTrace
	if err := json.Unmarshal([]byte(lab.Must("proxy", "trace", "caller", "proxied:80", "-o", "json")), &got); err != nil {
		t.Fatal(err)
	}
	if got.Verdict != "reply" || got.Target != ip+":80" || got.Service != proxiedKey || got.Client != "default/caller" || got.Node != "w1" || len(got.Limits) > 0 {
		t.Errorf("traced %+v", got)
	}
	_, byPort := kernelEntries(t, lab, ip)
	_, port, _ := strings.Cut(got.Source, ":")
	if byPort[port] != got.Endpoint {
		t.Errorf("the trace says %s answered, the kernel %s", got.Endpoint, byPort[port])
	}
	var pod struct {
		Spec   struct{ NodeName string }
		Status struct{ PodIP string }
	}
	lab.Object(&pod, "pod", strings.TrimPrefix(got.Pod, "default/"))
	if pod.Status.PodIP+":8080" != got.Endpoint || pod.Spec.NodeName != got.PodNode {
		t.Errorf("%s has %s on %s; the trace says %s on %s", got.Pod, pod.Status.PodIP, pod.Spec.NodeName, got.Endpoint, got.PodNode)
	}
	seen := map[string]bool{}
	for _, s := range got.Steps {
		seen[s.Node] = true
	}
	if !seen["w1"] || !seen[got.PodNode] {
		t.Errorf("rules were met on %v, the connection went from w1 to %s", seen, got.PodNode)
	}
	if !slices.ContainsFunc(got.Steps, func(s event.ProxyStep) bool { return strings.Contains(s.Rule, strings.Split(got.Endpoint, ":")[0]) }) {
		t.Errorf("no step names %s: %+v", got.Endpoint, got.Steps)
	}
	var refused event.ProxyTrace
	if err := json.Unmarshal([]byte(lab.Must("proxy", "trace", "default/caller", "nobody", "-o", "json")), &refused); err != nil {
		t.Fatal(err)
	}
	if refused.Verdict != "refused" || refused.Target != none+":80" || refused.Endpoint != "" || !strings.Contains(refused.Detail, "ended on w1") {
		t.Errorf("traced %+v", refused)
	}
	lab.Refused([]string{"proxy", "trace", "caller", "proxied:81"}, "no such port", proxiedKey)
	lab.Refused([]string{"proxy", "trace", "missing", "proxied"}, "no such pod or node")
	lab.Refused([]string{"proxy", "trace", "c1", "proxied"}, "control plane")
	w := lab.World()
	if len(w.Proxy.Traces) < 2 {
		t.Errorf("%d traces are known", len(w.Proxy.Traces))
	}
	for _, name := range workers(w) {
		if left := inNode(t, w.Nodes[name].PID, "nft", "list", "ruleset"); strings.Contains(left, "nftrace") || strings.Contains(left, "workbench-trace") {
			t.Errorf("left on %s:\n%s", name, left)
		}
	}
}

// checkRulesCommand prints the rules of one Service.
func checkRulesCommand(t *testing.T, lab *harness.Lab) {
	out := lab.Must("proxy", "rules", "w1", "proxied")
	if !strings.Contains(out, "proxied") || strings.Contains(out, "sticky") {
		t.Errorf("the rules of proxied are\n%s", out)
	}
	if all := lab.Must("proxy", "rules", "w1"); !strings.Contains(all, "sticky") || len(all) <= len(out) {
		t.Errorf("all rules are\n%s", all)
	}
	lab.Refused([]string{"proxy", "rules", "c1"}, "kube-proxy runs on workers")
	lab.Refused([]string{"proxy", "rules", "w1", "none"}, "no rule on w1 serves none")
	if table := lab.Must("proxy", "services"); !strings.Contains(table, proxiedKey) || !strings.Contains(table, "none: reject") {
		t.Errorf("services are\n%s", table)
	}
}

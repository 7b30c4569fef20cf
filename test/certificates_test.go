package test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/runtime/namespace"
	"workbench/test/harness"
)

// testCertificates lets certificates expire, and looks at what is shown to those
// who connect; the heal brings the same files back.
func testCertificates(t *testing.T, lab *harness.Lab) {
	w := lab.World()
	worker := credentials(t, w, "w2")
	kubelet := broken(t, lab, "cert-expire", "w2/kubelet")
	if end := shown(t, lab.World(), "w2", ipOf(w, "w2")+":10250"); time.Since(end) < 50*time.Minute {
		t.Errorf("the kubelet of w2 shows a certificate valid until %v", end)
	}
	if now := credentials(t, w, "w2"); now["kubelet.conf"] == worker["kubelet.conf"] || now["kube-proxy.conf"] != worker["kube-proxy.conf"] {
		t.Error("another certificate than the kubelet's was replaced")
	}
	conf := filepath.Join("/proc", strconv.Itoa(w.Nodes["w2"].PID), "root/etc/kubernetes/kubelet.conf")
	if r := lab.Run("kubectl", "--kubeconfig", conf, "--server", "https://"+w.Topology.APIAddress, "get", "node", "w2"); r.Code == 0 || !strings.Contains(r.Stderr, "nauthorized") && !strings.Contains(r.Stderr, "logged in") {
		t.Errorf("the API takes an expired certificate: %d %s", r.Code, r.Stderr)
	}
	// A freeze on top of it, unwound in the other order.
	freeze := broken(t, lab, "freeze", "w2/kubelet")
	lab.Must("heal", kubelet)
	lab.Await("the kubelet to be frozen still", func(w *state.World) bool { return component(w, "w2", "kubelet").State == event.ComponentPaused })
	lab.Must("heal", freeze)
	w = whole(lab)
	if end := shown(t, w, "w2", ipOf(w, "w2")+":10250"); time.Until(end) < time.Hour {
		t.Errorf("after the heal the kubelet of w2 shows a certificate valid until %v", end)
	}
	same(t, "w2", worker, credentials(t, w, "w2"))

	name := follower(t, lab)
	before := credentials(t, w, name)
	broken(t, lab, "cert-expire", name+"/etcd")
	if r := lab.Run("etcdctl", "endpoint", "health", "--endpoints", "https://"+ipOf(w, name)+":2379", "--command-timeout", "1s"); r.Code == 0 {
		t.Errorf("etcdctl speaks to a member whose certificate expired")
	}
	if !exists(lab, "namespace", "default") {
		t.Error("one member's certificates expired, and the API does not answer")
	}
	lab.Must("heal", "--all")
	w = whole(lab)
	same(t, name, before, credentials(t, w, name))
	testCertificatesOfControllers(t, lab, name)
	lab.Refused([]string{"fault", "cert-expire", "w1/containerd"}, "no certificate of its own", "c1/etcd")
}

// testCertificatesOfControllers lets those of a kube-apiserver and of a
// cloud-controller-manager expire: clients refuse the one, the API the other.
func testCertificatesOfControllers(t *testing.T, lab *harness.Lab, name string) {
	w := lab.World()
	before := credentials(t, w, name)
	broken(t, lab, "cert-expire", name+"/kube-apiserver,"+name+"/cloud-controller-manager")
	if end := shown(t, w, name, ipOf(w, name)+":6443"); time.Since(end) < 50*time.Minute {
		t.Errorf("the API server of %s shows a certificate valid until %v", name, end)
	}
	conf := filepath.Join("/proc", strconv.Itoa(w.Nodes[name].PID), "root/etc/kubernetes/cloud-controller-manager.conf")
	if r := lab.Run("kubectl", "--kubeconfig", conf, "--server", "https://"+w.Topology.APIAddress, "get", "nodes"); r.Code == 0 || !strings.Contains(r.Stderr, "nauthorized") && !strings.Contains(r.Stderr, "logged in") {
		t.Errorf("the API takes an expired certificate: %d %s", r.Code, r.Stderr)
	}
	lab.Must("heal", "--all")
	same(t, name, before, credentials(t, whole(lab), name))
}

// testFrozenAgain ends a frozen process from outside: the one that its init
// starts in its place is frozen too.
func testFrozenAgain(t *testing.T, lab *harness.Lab) {
	id := broken(t, lab, "freeze", "w1/kube-proxy")
	w := lab.World()
	old := component(w, "w1", "kube-proxy").PID
	if err := syscall.Kill(hostPID(t, w.Nodes["w1"].PID, old), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w = lab.Await("the new kube-proxy of w1 to be frozen", func(w *state.World) bool {
		c := component(w, "w1", "kube-proxy")
		return c.State == event.ComponentPaused && c.PID != old
	})
	if s := processState(t, hostPID(t, w.Nodes["w1"].PID, component(w, "w1", "kube-proxy").PID)); s != "T" {
		t.Errorf("the new process is in state %s, want T", s)
	}
	lab.Must("heal", id)
	whole(lab)
}

// credentials are the certificates and kubeconfigs of a node, by their names below
// /etc/kubernetes.
func credentials(t *testing.T, w *state.World, node string) map[string]string {
	t.Helper()
	root := fmt.Sprintf("/proc/%d/root/etc/kubernetes", w.Nodes[node].PID)
	out := map[string]string{}
	for _, pattern := range []string{"*.conf", "pki/*", "pki/etcd/*"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if info, err := os.Stat(file); err != nil || info.IsDir() {
				continue
			}
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out[strings.TrimPrefix(file, root+"/")] = string(raw)
		}
	}
	return out
}

func same(t *testing.T, node string, before, after map[string]string) {
	t.Helper()
	if len(before) != len(after) || len(before) < 4 {
		t.Errorf("%s had %d files of credentials and has %d", node, len(before), len(after))
	}
	for name, content := range before {
		if after[name] != content {
			t.Errorf("%s of %s is not what it was", name, node)
		}
	}
}

// shown is until when the certificate is valid that an address shows inside a node.
func shown(t *testing.T, w *state.World, node, address string) time.Time {
	t.Helper()
	ns, err := namespace.NetOf(w.Nodes[node].PID)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	// A kubelet is healthy a moment before it listens there.
	ctx, stop := context.WithTimeout(t.Context(), harness.Patience)
	defer stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	conn, err := ns.DialContext(ctx, "tcp4", address)
	for ; errors.Is(err, syscall.ECONNREFUSED) && ctx.Err() == nil; conn, err = ns.DialContext(ctx, "tcp4", address) {
		<-tick.C
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var end time.Time
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // it is to be looked at, whatever it says
	if err := client.Handshake(); err != nil {
		t.Fatalf("handshake with %s: %v", address, err)
	}
	end = client.ConnectionState().PeerCertificates[0].NotAfter
	return end
}

// hostPID is the PID here of a process in the PID namespace of a node's init.
func hostPID(t *testing.T, init, inner int) int {
	t.Helper()
	space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", init))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		ids := strings.Fields(between(string(raw), "NSpid:", "\n"))
		if mine, err := os.Readlink(filepath.Join(filepath.Dir(file), "ns/pid")); err != nil || mine != space || len(ids) < 2 || ids[len(ids)-1] != strconv.Itoa(inner) {
			continue
		}
		pid, err := strconv.Atoi(ids[0])
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	t.Fatalf("there is no process %d in the namespace of %d", inner, init)
	return 0
}

// between is the part of a text from one word to the next.
func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	part, _, _ := strings.Cut(rest, to)
	return part
}

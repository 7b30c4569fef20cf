package test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// lifecycle is pods that use what a kubelet does for them: one with everything,
// one to break, one to starve, one that ends.
const lifecycle = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: green}
---
apiVersion: v1
kind: Secret
metadata: {name: password}
stringData: {word: sesame}
---
apiVersion: v1
kind: Pod
metadata: {name: whole, labels: {app: kubelet}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {fsGroup: 2000}
  initContainers:
  - name: init
    image: workbench.local/toolbox:1
    command: [sh, -c, "echo from-init > /shared/init"]
    volumeMounts: [{name: shared, mountPath: /shared}]
  - name: sidecar
    image: workbench.local/toolbox:1
    restartPolicy: Always
    command: [sh, -c, "cat /shared/init > /shared/sidecar; sleep 1000000"]
    startupProbe: {exec: {command: [cat, /shared/sidecar]}, periodSeconds: 1, failureThreshold: 60}
    volumeMounts: [{name: shared, mountPath: /shared}]
  containers:
  - name: main
    image: workbench.local/toolbox:1
    command: [sh, -c, "echo begins; cat /shared/sidecar; sleep 1000000"]
    env:
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: LIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
    - {name: WORD, valueFrom: {secretKeyRef: {name: password, key: word}}}
    resources: {limits: {memory: 64Mi}}
    volumeMounts:
    - {name: shared, mountPath: /shared}
    - {name: secret, mountPath: /secret}
    - {name: projected, mountPath: /projected}
  - {name: web, image: "workbench.local/demo:1"}
  volumes:
  - {name: shared, emptyDir: {}}
  - {name: secret, secret: {secretName: password}}
  - name: projected
    projected:
      sources:
      - serviceAccountToken: {path: token, audience: workshop}
      - configMap: {name: settings}
      - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: probed, labels: {app: kubelet}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: demo
    image: workbench.local/demo:1
    startupProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1, failureThreshold: 60}
    livenessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1, failureThreshold: 2}
    readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1, failureThreshold: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: hungry, labels: {app: kubelet}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers: [{name: demo, image: "workbench.local/demo:1", resources: {limits: {memory: 48Mi}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: echo, labels: {app: kubelet}}
spec:
  restartPolicy: Never
  containers: [{name: toolbox, image: "workbench.local/toolbox:1", command: [cat], stdin: true, stdinOnce: true}]
`

// testKubelet uses what a kubelet does for a pod as users do, with kubectl.
func testKubelet(t *testing.T, lab *harness.Lab) {
	lab.Apply(lifecycle)
	t.Cleanup(func() {
		lab.Run("kubectl", "delete", "pods", "-l", "app=kubelet", "--wait=false")
		lab.Run("kubectl", "delete", "configmap/settings", "secret/password")
	})
	lab.Await("the pods to run", func(w *state.World) bool { return allReady(w, "kubelet", 4) })
	t.Run("checks", func(t *testing.T) { // ends when all that are parallel have
		for _, check := range []struct {
			name string
			run  func(*testing.T, *harness.Lab)
		}{
			{"Volumes", testVolumes},
			{"Probes", testProbes},
			{"OutOfMemory", testOutOfMemory},
			{"Attach", testAttach},
			{"Copy", testCopy},
			{"PortForward", testPortForward},
			{"Debug", testDebug},
		} {
			t.Run(check.name, func(t *testing.T) {
				t.Parallel()
				check.run(t, lab.With(t))
			})
		}
	})
}

// inWhole runs a command in the pod that has everything.
func inWhole(lab *harness.Lab, command ...string) string {
	return lab.Eventually(command[0]+" runs in the container", append([]string{"kubectl", "exec", "whole", "-c", "main", "--"}, command...)...)
}

// testVolumes reads what the kubelet put into a container.
func testVolumes(t *testing.T, lab *harness.Lab) {
	pod := lab.World().Kube.Pods["default/whole"]
	want := []string{"from-init", "sesame", "green", `app="kubelet"`, pod.IP, fmt.Sprint(64 << 20), "sesame"}
	out := inWhole(lab, "sh", "-c",
		`cat /shared/init; cat /secret/word; echo; cat /projected/colour; echo; cat /projected/labels; echo; echo $IP; echo $LIMIT; echo $WORD; cat /projected/token`)
	got := strings.Split(strings.TrimSpace(out), "\n")
	if len(got) != len(want)+1 || strings.Join(got[:len(want)], "\n") != strings.Join(want, "\n") {
		t.Fatalf("the container finds\n%s\nwant\n%s\nand a token", out, strings.Join(want, "\n"))
	}
	review := fmt.Sprintf(`{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": %q, "audiences": ["workshop"]}}`, got[len(want)])
	r := lab.Input(review, "kubectl", "create", "-f", "-", "-o", "jsonpath={.status.user.username}")
	if r.Stdout != "system:serviceaccount:default:default" {
		t.Errorf("the projected token is that of %q (%s)", r.Stdout, r.Stderr)
	}
	var object corev1.Pod
	lab.Object(&object, "pod", "whole")
	for _, c := range object.Status.InitContainerStatuses {
		sidecar := c.Name == "sidecar"
		if sidecar && (c.State.Running == nil || !c.Ready) || !sidecar && (c.State.Terminated == nil || c.State.Terminated.Reason != "Completed") {
			t.Errorf("init container %s is %+v", c.Name, c.State)
		}
	}
	// What the kubelet is told to have set up is mounted in its node.
	w := lab.Await("the volumes of the pod", func(w *state.World) bool {
		k := w.Nodes[pod.Node].Kubelet
		return k != nil && len(k.Volumes[pod.UID]) == 4 // the fourth is the token that every pod gets
	})
	table := lab.Must("node", "exec", pod.Node, "--", "cat", "/proc/self/mountinfo")
	for _, v := range w.Nodes[pod.Node].Kubelet.Volumes[pod.UID] {
		mounted := strings.Contains(table, pod.UID+"/volumes/"+v.Plugin+"/"+v.Name+" ")
		if mounted != (v.FS == "tmpfs") || v.Name == "secret" && !mounted {
			t.Errorf("volume %+v; mounted in the node: %t", v, mounted)
		}
	}
	if logs := lab.Kubectl("logs", "whole", "-c", "main"); logs != "begins\nfrom-init\n" {
		t.Errorf("kubectl logs prints %q", logs)
	}
}

// answer asks a demo pod, from another pod.
func answer(lab *harness.Lab, method, pod, path string) string {
	ip := lab.World().Kube.Pods["default/"+pod].IP
	return inWhole(lab, "curl", "-s", "-X", method, "-m", "5", "http://"+ip+":8080"+path)
}

// testProbes switches off what the probes ask, the one after the other.
func testProbes(t *testing.T, lab *harness.Lab) {
	probed := func(w *state.World) *event.KubePod { return w.Kube.Pods["default/probed"] }
	answer(lab, "POST", "probed", "/readyz/off")
	w := lab.Await("the pod not to be ready", func(w *state.World) bool { return !probed(w).Ready })
	if restarts := probed(w).Containers[0].Restarts; restarts != 0 {
		t.Errorf("a failed readiness probe restarted the container %d times", restarts)
	}
	answer(lab, "POST", "probed", "/readyz/on")
	lab.Await("the pod to be ready again", func(w *state.World) bool { return probed(w).Ready })

	answer(lab, "POST", "probed", "/healthz/off")
	lab.Await("the container to be restarted", func(w *state.World) bool {
		return probed(w).Ready && probed(w).Containers[0].Restarts == 1
	})
	for _, reason := range []string{"Unhealthy", "Killing"} {
		if out := lab.Kubectl("get", "events", "--field-selector", "involvedObject.name=probed,reason="+reason, "-o", "name"); out == "" {
			t.Errorf("no Event %s tells of the failed probe", reason)
		}
	}
	node := probed(lab.World()).Node
	lab.Await("the kubelet's count of failed probes", func(w *state.World) bool {
		k := w.Nodes[node].Kubelet
		return k != nil && slices.ContainsFunc(k.Probes, func(p state.KubeletProbe) bool {
			return p.Pod == "probed" && p.Kind == "Liveness" && p.Failed >= 2 && p.Result == event.ProbeSuccessful
		})
	})
	if out := lab.Kubectl("logs", "probed", "--previous"); !strings.Contains(out, "probe=/healthz to=off") {
		t.Errorf("kubectl logs --previous prints %q", out)
	}
}

// testOutOfMemory lets a container ask for more than its limit.
func testOutOfMemory(t *testing.T, lab *harness.Lab) {
	ip := lab.World().Kube.Pods["default/hungry"].IP
	lab.Run("kubectl", "exec", "whole", "-c", "main", "--", "curl", "-s", "-m", "30", fmt.Sprintf("http://%s:8080/leak?bytes=%d", ip, 96<<20)) // it dies of it
	lab.Await("the kernel to end it", func(w *state.World) bool {
		p := w.Kube.Pods["default/hungry"]
		return p.Phase == "Failed" && p.Containers[0].Reason == "OOMKilled"
	})
	told := func(w *state.World, what event.ContainerWhat, code int) bool {
		return slices.ContainsFunc(w.Nodes[w.Kube.Pods["default/hungry"].Node].Containers, func(e state.ContainerEvent) bool {
			return e.Pod == "hungry" && e.Container == "demo" && e.What == what && e.ExitCode == code
		})
	}
	lab.Await("containerd to tell of it", func(w *state.World) bool {
		return told(w, event.ContainerOOM, 0) && told(w, event.ContainerExited, 137)
	})
	if code := lab.Kubectl("get", "pod", "hungry", "-o", "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"); code != "137" {
		t.Errorf("its exit code is %s, want 137", code)
	}
}

// testAttach speaks to a container's standard input, and follows its log to the end.
func testAttach(t *testing.T, lab *harness.Lab) {
	follow := lab.Begin("kubectl", "logs", "-f", "echo")
	if r := lab.Input("hello container\n", "kubectl", "attach", "-i", "echo"); r.Code != 0 || !strings.Contains(r.Stdout, "hello container") {
		t.Errorf("kubectl attach prints %q (%s)", r.Stdout, r.Stderr)
	}
	lab.Await("the container to end with its input", func(w *state.World) bool { return w.Kube.Pods["default/echo"].Phase == "Succeeded" })
	if out, code := lab.AwaitExit(follow); code != 0 || !strings.Contains(out, "hello container") {
		t.Errorf("kubectl logs -f: code %d, %q", code, out)
	}
}

// testCopy copies a file into a container and out again.
func testCopy(t *testing.T, lab *harness.Lab) {
	dir := t.TempDir()
	there, back := filepath.Join(dir, "there"), filepath.Join(dir, "back")
	content := strings.Repeat("workbench\n", 20_000)
	if err := os.WriteFile(there, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	lab.Eventually("the file is copied in", "kubectl", "cp", there, "whole:/shared/copied", "-c", "main")
	lab.Eventually("the file is copied out", "kubectl", "cp", "whole:/shared/copied", back, "-c", "main")
	if raw, err := os.ReadFile(back); err != nil || string(raw) != content {
		t.Errorf("after kubectl cp there and back: %d bytes of %d, %v", len(raw), len(content), err)
	}
}

// testPortForward reaches a pod through a port of the host.
func testPortForward(t *testing.T, lab *harness.Lab) {
	p := lab.Begin("kubectl", "port-forward", "pod/whole", ":8080", "--address", "127.0.0.1")
	lab.AwaitOutput(p, " -> 8080")
	address, _, _ := strings.Cut(strings.TrimPrefix(p.Output(), "Forwarding from "), " ")
	resp, err := http.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if raw, err := io.ReadAll(resp.Body); err != nil || !strings.HasPrefix(string(raw), "pod=whole ") {
		t.Errorf("through the forwarded port %s comes %q, %v", address, raw, err)
	}
}

// testDebug joins a running container with the tools it lacks.
func testDebug(t *testing.T, lab *harness.Lab) {
	lab.Kubectl("debug", "whole", "--image=workbench.local/toolbox:1", "--target=web", "-c", "tools", "--", "ps", "ax")
	lab.Await("the debug container to end", func(*state.World) bool {
		return strings.Contains(lab.Kubectl("get", "pod", "whole", "-o", "jsonpath={.status.ephemeralContainerStatuses[*].state}"), "terminated")
	})
	if out := lab.Kubectl("logs", "whole", "-c", "tools"); !strings.Contains(out, "/demo") {
		t.Errorf("the debug container sees these processes:\n%s", out)
	}
}

package test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/runtime/image"
	"workbench/runtime/image/imagetest"
	"workbench/runtime/image/imagetest/registry"
	"workbench/runtime/namespace"
	"workbench/test/harness"
)

// registryPort is where the test's registry listens on w1, as the lab file says.
const registryPort = 5001

// runnable is an image of two layers that sleeps: the toolbox, and a file of its own.
func runnable(t *testing.T, name string) imagetest.Made {
	t.Helper()
	var toolbox image.Image
	for _, i := range imagetest.Images(t) {
		if i.Reference() == image.Toolbox {
			toolbox = i
		}
	}
	layers, diffIDs := toolbox.Layers()
	own := imagetest.Layer(t, map[string]string{"made-for": name})
	config := ocispec.ImageConfig{Entrypoint: []string{"sleep", "1000000"}, Env: []string{"PATH=/bin"}}
	for _, b := range toolbox.Blobs() {
		if b.Digest == layers[0].Digest {
			return imagetest.Make(t, name, "", config, [][]byte{b.Body, own}, append(diffIDs, digest.FromBytes(own)))
		}
	}
	t.Fatal("the toolbox has no layer")
	return imagetest.Made{}
}

// uses is a pod on a node that runs an image.
func uses(name, image, node, policy string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: %[1]s}}
spec:
  nodeName: %s
  tolerations: [{operator: Exists}]
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: %q, imagePullPolicy: %s}]
---`, name, node, image, policy)
}

// testImages loads, pulls and loses images.
func testImages(t *testing.T, lab *harness.Lab) {
	testLoadedImages(t, lab)
	testPulledImages(t, lab)
	testLostImage(t, lab)
	// The kubelet removes the containers of deleted pods in its own time.
	lab.Eventually("the image is used no more", "image", "rm", "class/app")
	for _, parts := range []string{"layers/*", "blobs/sha256/*"} {
		if left, err := filepath.Glob(filepath.Join(lab.ImagePool(), parts)); err != nil || len(left) > 0 {
			t.Errorf("the pool still has %v, %v", left, err)
		}
	}
}

func testLoadedImages(t *testing.T, lab *harness.Lab) {
	t.Helper()
	app := runnable(t, "class/app")
	file := filepath.Join(t.TempDir(), "app.tar")
	raw := imagetest.Layer(t, imagetest.Files(t, app))
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := []byte(string(raw))
	layer := string(app.Blobs[app.Layers[0]])
	damaged[strings.Index(string(raw), layer)+len(layer)/2] ^= 1
	if r := lab.Input(string(damaged), "image", "load", "-"); r.Code == 0 || !strings.Contains(r.Stderr, app.Layers[0].String()) || !strings.Contains(r.Stderr, "nothing was loaded") {
		t.Errorf("a damaged archive: %d, %s", r.Code, r.Stderr)
	}
	lab.Must("image", "load", file)
	if out := lab.Must("image", "list"); !strings.Contains(out, "docker.io/class/app:latest") {
		t.Errorf("image list says\n%s", out)
	}
	// :latest is pulled always, which must not need a network.
	lab.Apply(uses("loaded-1", "class/app", "w1", "Always") + uses("loaded-2", "class/app", "w2", "IfNotPresent"))
	lab.Await("the loaded image runs on both nodes", func(w *state.World) bool { return allReady(w, "loaded-1", 1) && allReady(w, "loaded-2", 1) })
	if got := lab.Kubectl("exec", "loaded-2", "--", "cat", "/made-for"); got != "class/app" {
		t.Errorf("the pod finds %q in its file", got)
	}
	pool, err := filepath.Glob(filepath.Join(lab.ImagePool(), "layers", "*", "made-for"))
	if err != nil || len(pool) != 1 {
		t.Fatalf("the pool has %v, %v; want the layer once", pool, err)
	}
	stored, err := os.Stat(pool[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"w1", "w2"} {
		given, _ := filepath.Glob(filepath.Join(lab.Root(node), "var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs/made-for"))
		if len(given) != 1 {
			t.Errorf("%s has the layer's file at %v", node, given)
		} else if info, err := os.Stat(given[0]); err != nil || !os.SameFile(info, stored) {
			t.Errorf("%s has a copy of the layer, not links to it (%v)", node, err)
		}
	}
	lab.Refused([]string{"image", "rm", "class/app"}, "in use", "default/loaded-1 on w1", "--force")
	lab.Refused([]string{"image", "rm", image.Demo}, "comes with the workbench")
}

// testPulledImages runs a registry on w1 and pulls from it, what is right and what
// is not.
func testPulledImages(t *testing.T, lab *harness.Lab) {
	t.Helper()
	app := runnable(t, "team/app")
	top := app.Layers[1]
	var downloads atomic.Int32
	handler := registry.New(t)
	for _, repository := range []string{"team/app", "team/wrong"} {
		registry.Push(t, handler, app, repository, "1")
	}
	serveOn(t, lab, "w1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		get := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/blobs/"+top.String())
		switch {
		case get && strings.HasPrefix(r.URL.Path, "/v2/team/wrong/"):
			_, _ = w.Write([]byte("this is not what was asked for"))
			return
		case get:
			downloads.Add(1)
			<-time.After(3 * time.Second) // it is slow, and nothing more
		}
		handler.ServeHTTP(w, r)
	}))
	before := lab.World().Seq
	// Before any other: what is in the cache is not asked for again.
	lab.Apply(uses("wrong", "registry.lab:5000/team/wrong:1", "w1", "IfNotPresent") + uses("missing", "registry.lab:5000/team/app:2", "w1", "IfNotPresent") +
		uses("down", "down.lab/team/app:1", "w1", "IfNotPresent") + uses("nowhere", "registry.invalid/team/app:1", "w1", "IfNotPresent"))
	for pod, want := range map[string][]string{
		"wrong":   {"digest mismatch", top.String(), digest.FromString("this is not what was asked for").String()},
		"missing": {"not found"}, "down": {"connection refused"}, "nowhere": {"lookup registry.invalid"},
	} {
		lab.Await("the pull of "+pod+" to fail", func(w *state.World) bool {
			p := w.Kube.Pods["default/"+pod]
			return p != nil && (p.Status == "ErrImagePull" || p.Status == "ImagePullBackOff")
		})
		said := lab.Kubectl("get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].state.waiting.message}")
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("%s: the kubelet says %s\nwant %q in it", pod, said, w)
			}
		}
		if !told(lab, before, pod, want[0]) {
			t.Errorf("%s: the journal does not say %q", pod, want[0])
		}
	}
	lab.Kubectl("delete", "pod", "wrong", "missing", "down", "nowhere", "--now")
	lab.Apply(uses("pulled-1", "registry.lab:5000/team/app:1", "w1", "IfNotPresent") + uses("pulled-2", "registry.lab:5000/team/app:1", "w2", "Always"))
	lab.Await("the pulled image runs on both nodes", func(w *state.World) bool { return allReady(w, "pulled-1", 1) && allReady(w, "pulled-2", 1) })
	if got := downloads.Load(); got != 1 {
		t.Errorf("the layer was downloaded %d times, want once for both nodes", got)
	}
	if code := lab.Run("kubectl", "exec", "pulled-1", "--", "wget", "-q", "-T", "5", "-O", "-", "http://10.20.0.1:5000/v2/").Code; code == 0 {
		t.Error("a pod was let to the nodes' way to registries")
	}
	lab.Kubectl("delete", "pod", "pulled-1", "pulled-2", "loaded-2", "--now")
}

// told says that a failed pull is in the journal, with its reason.
func told(lab *harness.Lab, after uint64, pod, reason string) bool {
	names := map[string]string{"wrong": "team/wrong", "missing": "team/app:2", "down": "down.lab/", "nowhere": "registry.invalid/"}
	if reason == "not found" {
		reason = "manifest unknown"
	}
	for _, e := range lab.Events(after) {
		if p, ok := e.Body.(event.ImagePull); ok && strings.Contains(p.Image, names[pod]) && strings.Contains(p.Error, reason) && p.Node == "w1" {
			return true
		}
	}
	return false
}

// serveOn serves HTTP on a node until the test ends, in its network namespace.
func serveOn(t *testing.T, lab *harness.Lab, node string, handler http.Handler) {
	t.Helper()
	host := lab.World().Nodes[node]
	network, err := namespace.NetOf(host.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	var listener net.Listener
	if err := network.Do(func() error {
		listener, err = net.Listen("tcp", fmt.Sprintf("%s:%d", host.IP, registryPort))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler} //nolint:gosec // of a test
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
}

// testLostImage takes the image of a pod from its node, and gives it back.
func testLostImage(t *testing.T, lab *harness.Lab) {
	t.Helper()
	id := broken(t, lab, "image-gone", "default/loaded-1")
	if p := lab.World().Kube.Pods["default/loaded-1"]; !p.Ready {
		t.Error("a pod that ran lost its image and runs no more")
	}
	lab.Kubectl("delete", "pod", "loaded-1", "--now")
	lab.Apply(uses("loaded-1", "class/app", "w1", "IfNotPresent") + uses("loaded-2", "class/app", "w2", "IfNotPresent"))
	lab.Await("the image to be there on w2 alone", func(w *state.World) bool {
		p := w.Kube.Pods["default/loaded-1"]
		return p != nil && (p.Status == "ErrImagePull" || p.Status == "ImagePullBackOff") && allReady(w, "loaded-2", 1)
	})
	lab.Must("heal", id)
	lab.Kubectl("delete", "pod", "loaded-1", "--now")
	lab.Apply(uses("loaded-1", "class/app", "w1", "Never"))
	lab.Await("the healed image to run", func(w *state.World) bool { return allReady(w, "loaded-1", 1) })
	lab.Kubectl("delete", "pod", "loaded-1", "loaded-2", "--now")
}

package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/runtime/image"
	"workbench/runtime/image/imagetest"
	"workbench/runtime/image/imagetest/registry"
	"workbench/test/harness"
)

// snapshotFiles are the files that tell the layers of runnable images, in a node's root.
const snapshotFiles = "var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs/made-for"

// held are what nodes tell of an image.
func held(w *state.World, name string) (found []event.NodeImage) {
	for _, n := range w.Images.Nodes {
		for _, i := range n.Images {
			if i.Name == name {
				found = append(found, i)
			}
		}
	}
	return found
}

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

// uses is a pod on a node that runs an image, which it pulls with the credentials of
// secrets.
func uses(name, image, node, policy string, secrets ...string) string {
	var names []string
	for _, s := range secrets {
		names = append(names, "{name: "+s+"}")
	}
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: %[1]s}}
spec:
  nodeName: %s
  tolerations: [{operator: Exists}]
  terminationGracePeriodSeconds: 0
  imagePullSecrets: [%s]
  containers: [{name: main, image: %q, imagePullPolicy: %s}]
---`, name, node, strings.Join(names, ", "), image, policy)
}

// testImages loads, pulls and loses images.
func testImages(t *testing.T, lab *harness.Lab, outside *registries) {
	testLoadedImages(t, lab)
	testPulledImages(t, lab)
	testPrivateImages(t, lab, outside)
	testLostImage(t, lab)
	// The pods were deleted just now.
	for _, name := range []string{"class/app", "private.lab/basic/app:1", "private.lab/token/app:1", proxiedHost + "/team/proxied:1"} {
		lab.Must("image", "rm", name)
	}
	lab.Await("no node to tell that it has the image", func(w *state.World) bool { return len(held(w, "docker.io/class/app:latest")) == 0 })
}

// testNoImageIsLeft looks for what removed images were made of, which goes with the
// last container: the kubelet removes some of those that ended once a minute only.
func testNoImageIsLeft(t *testing.T, lab *harness.Lab) {
	patterns := []string{filepath.Join(lab.ImagePool(), "layers/*"), filepath.Join(lab.ImagePool(), "blobs/sha256/*")}
	for _, node := range workers(lab.World()) {
		patterns = append(patterns, filepath.Join(lab.Root(node), snapshotFiles))
	}
	await(t, "nothing of images to be left", func() error {
		var left []string
		for _, pattern := range patterns {
			files, err := filepath.Glob(pattern)
			if err != nil {
				return err
			}
			left = append(left, files...)
		}
		if len(left) > 0 {
			return fmt.Errorf("there is %v", left)
		}
		return nil
	})
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
	if out := lab.Must("image", "list", "class/app"); !strings.Contains(out, "docker.io/class/app:latest") {
		t.Errorf("image list says\n%s", out)
	}
	var list api.ImageList
	if err := json.Unmarshal([]byte(lab.Must("image", "list", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	if at := slices.IndexFunc(list.Images, func(i api.Image) bool { return i.Name == "docker.io/class/app:latest" }); at < 0 ||
		list.Images[at].Shared != 2 || list.Images[at].From != "app.tar" || list.Where(list.Images[at]) != "all" {
		t.Errorf("image list says %+v", list)
	}
	lab.Await("both nodes to tell that they have it", func(w *state.World) bool {
		on := held(w, "docker.io/class/app:latest")
		return len(on) == 2 && on[0] == on[1] && on[0].Shared == 2 && on[0].From == "app.tar"
	})
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
		given, _ := filepath.Glob(filepath.Join(lab.Root(node), snapshotFiles))
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
	var away atomic.Bool
	handler := registry.New(t)
	for _, repository := range []string{"team/app", "team/wrong"} {
		registry.Push(t, handler, app, repository, "1")
	}
	serveOn(t, lab, "w1", registryPort, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			panic(http.ErrAbortHandler) // the connection ends
		}
		get := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/blobs/"+top.String())
		switch {
		case get && strings.HasPrefix(r.URL.Path, "/v2/team/wrong/"):
			_, _ = w.Write([]byte("this is not what was asked for"))
			return
		case get:
			downloads.Add(1)
			layer := app.Blobs[top]
			w.Header().Set("Content-Length", strconv.Itoa(len(layer)))
			_, _ = w.Write(layer[:len(layer)/2])
			_ = http.NewResponseController(w).Flush()
			<-time.After(3 * time.Second) // it is slow, and nothing more
			_, _ = w.Write(layer[len(layer)/2:])
			return
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
	if !slices.ContainsFunc(lab.Events(before), func(e event.Event) bool {
		p, ok := e.Body.(event.ImageProgress)
		return ok && p.Of == "registry.lab:5000/team/app:1" && strings.HasSuffix(p.Image, top.String()) && p.Bytes == p.Size/2
	}) {
		t.Error("it was not told that the layer takes long")
	}
	// The layer below is one that the nodes have from the workbench.
	if on := held(lab.World(), "registry.lab:5000/team/app:1"); len(on) != 2 || on[0].Layers != 2 || on[0].Shared != 2 || on[0].From != "" {
		t.Errorf("the nodes tell of the pulled image %+v", on)
	}
	storedOnce(t, lab, "team/app", top, "w1", "w2")
	if code := lab.Run("kubectl", "exec", "pulled-1", "--", "wget", "-q", "-T", "5", "-O", "-", "http://10.20.0.1:5000/v2/").Code; code == 0 {
		t.Error("a pod was let to the nodes' way to registries")
	}
	lab.Must("node", "kill", "--yes", "w2")
	lab.Must("node", "start", "w2")
	lab.Await("the pods of w2 to run again", func(w *state.World) bool {
		for _, name := range []string{"tolerant", "loaded-2", "pulled-2"} {
			if p := w.Kube.Pods["default/"+name]; !p.Ready || p.Containers[0].Restarts == 0 {
				return false
			}
		}
		return true
	})
	storedOnce(t, lab, "team/app", top, "w1", "w2")
	lab.Kubectl("delete", "pod", "pulled-1", "pulled-2", "loaded-2", "--now")
	lab.Must("image", "rm", "registry.lab:5000/team/app:1")

	away.Store(true)
	lab.Apply(uses("by-digest", "registry.lab:5000/team/app@"+app.Manifest.Digest.String(), "w2", "Always") + uses("by-tag", "registry.lab:5000/team/app:1", "w1", "Always"))
	lab.Await("what was pulled before to run though its registry is away", func(w *state.World) bool { return allReady(w, "by-digest", 1) })
	refusedPull(t, lab, "by-tag", "EOF")
	storedOnce(t, lab, "team/app", top, "w2")
	lab.Kubectl("delete", "pod", "by-digest", "by-tag", "--now")
	lab.Must("image", "rm", "registry.lab:5000/team/app@"+app.Manifest.Digest.String())
}

// storedOnce wants the files of the layer that only one image has to be the pool's
// on nodes, and the packed layer to be one file on all.
func storedOnce(t *testing.T, lab *harness.Lab, madeFor string, layer digest.Digest, nodes ...string) {
	t.Helper()
	own := func(pattern string) (found []os.FileInfo) {
		t.Helper()
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil || filepath.Base(file) == "made-for" && string(raw) != madeFor {
				continue
			}
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, info)
		}
		return found
	}
	unpacked, packed := own(filepath.Join(lab.ImagePool(), "layers", "*", "made-for")), []os.FileInfo{}
	for _, node := range nodes {
		unpacked = append(unpacked, own(filepath.Join(lab.Root(node), snapshotFiles))...)
		packed = append(packed, own(filepath.Join(lab.Root(node), "var/lib/containerd/io.containerd.content.v1.content/blobs/sha256", layer.Encoded()))...)
	}
	if len(unpacked) != 1+len(nodes) || len(packed) != len(nodes) {
		t.Errorf("%d unpacked and %d packed layers were made for %s, want one on each of %v, and one in the pool", len(unpacked), len(packed), madeFor, nodes)
	}
	for _, same := range [][]os.FileInfo{unpacked, packed} {
		for _, info := range same {
			if !os.SameFile(info, same[0]) {
				t.Errorf("what was made for %s is stored more than once", madeFor)
			}
		}
	}
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

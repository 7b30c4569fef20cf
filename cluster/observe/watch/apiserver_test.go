package watch

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"workbench/cluster/event"
)

// apiServer speaks list, watch and streaming list over HTTP/2 for any kind, from a
// log of changes that can be compacted, as etcd's is.
type apiServer struct {
	*httptest.Server
	t *testing.T

	mu        sync.Mutex
	changed   chan struct{} // closed at each change
	log       []change
	compacted int  // changes up to this revision are gone
	listOnly  bool // refuse streaming lists
}

type change struct {
	revision       int
	resource, name string
	verb           string // ADDED, MODIFIED, DELETED
	object         runtime.Object
}

func newAPIServer(t *testing.T) *apiServer {
	a := &apiServer{t: t, changed: make(chan struct{})}
	a.Server = httptest.NewUnstartedServer(a)
	a.EnableHTTP2 = true
	a.Config.ErrorLog = log.New(io.Discard, "", 0) // broken connections are what is tested
	a.StartTLS()
	t.Cleanup(func() {
		a.CloseClientConnections()
		a.Close()
	})
	return a
}

func (a *apiServer) rest() *rest.Config {
	return &rest.Config{Host: a.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
}

// put creates or updates an object; remove deletes one.
func (a *apiServer) put(resource string, o runtime.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := a.name(o)
	verb := "ADDED"
	if _, ok := a.existing(resource)[name]; ok {
		verb = "MODIFIED"
	}
	a.append(resource, verb, name, o.DeepCopyObject())
}

func (a *apiServer) remove(resource, key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.existing(resource)[key]
	a.append(resource, "DELETED", key, c.object.DeepCopyObject())
}

// compact forgets history: who asks for it must list again.
func (a *apiServer) compact() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.compacted = len(a.log)
}

func (a *apiServer) name(o runtime.Object) string {
	m, err := meta.Accessor(o)
	if err != nil {
		a.t.Error(err)
	}
	return event.Meta{Namespace: m.GetNamespace(), Name: m.GetName()}.Key()
}

func (a *apiServer) append(resource, verb, name string, o runtime.Object) {
	m, _ := meta.Accessor(o)
	revision := len(a.log) + 1
	m.SetResourceVersion(strconv.Itoa(revision))
	a.log = append(a.log, change{revision, resource, name, verb, o})
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *apiServer) existing(resource string) map[string]change {
	objects := map[string]change{}
	for _, c := range a.log {
		if c.resource != resource {
			continue
		}
		if c.verb == "DELETED" {
			delete(objects, c.name)
		} else {
			objects[c.name] = c
		}
	}
	return objects
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resource, q := path.Base(r.URL.Path), r.URL.Query()
	w.Header().Set("Content-Type", "application/json")
	a.mu.Lock()
	objects, at, compacted := a.existing(resource), len(a.log), a.compacted
	listOnly := a.listOnly
	a.mu.Unlock()
	streaming := q.Get("sendInitialEvents") == "true"
	since, _ := strconv.Atoi(q.Get("resourceVersion"))
	switch {
	case q.Get("watch") == "":
		a.list(w, resource, objects, at)
	case streaming && listOnly:
		a.refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	case !streaming && since < compacted:
		a.refuse(w, http.StatusGone, metav1.StatusReasonExpired)
	case streaming:
		for _, name := range slices.Sorted(maps.Keys(objects)) {
			a.send(w, "ADDED", objects[name].object)
		}
		a.bookmark(w, resource, at)
		a.follow(w, r, resource, at)
	default:
		a.follow(w, r, resource, since)
	}
}

func (a *apiServer) refuse(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: int32(code), Reason: reason,
	})
}

func (a *apiServer) list(w http.ResponseWriter, resource string, objects map[string]change, at int) {
	var items []json.RawMessage
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		items = append(items, a.encode(objects[name].object))
	}
	k := a.kind(resource)
	gvk := gvkOf(k.list())
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": gvk.Kind, "apiVersion": gvk.GroupVersion().String(),
		"metadata": map[string]string{"resourceVersion": strconv.Itoa(at)}, "items": items,
	})
}

// follow sends what happened after a revision, until the client goes.
func (a *apiServer) follow(w http.ResponseWriter, r *http.Request, resource string, after int) {
	w.(http.Flusher).Flush()
	for {
		a.mu.Lock()
		news, changed := a.log[after:], a.changed
		a.mu.Unlock()
		for _, c := range news {
			if c.resource == resource {
				a.send(w, c.verb, c.object)
			}
		}
		after += len(news)
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (a *apiServer) bookmark(w http.ResponseWriter, resource string, at int) {
	o := a.kind(resource).object.DeepCopyObject()
	m, _ := meta.Accessor(o)
	m.SetResourceVersion(strconv.Itoa(at))
	m.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	a.send(w, "BOOKMARK", o)
}

func (a *apiServer) send(w http.ResponseWriter, verb string, o runtime.Object) {
	_ = json.NewEncoder(w).Encode(map[string]any{"type": verb, "object": a.encode(o)})
	w.(http.Flusher).Flush()
}

func (a *apiServer) encode(o runtime.Object) json.RawMessage {
	data, err := runtime.Encode(scheme.Codecs.LegacyCodec(gvkOf(o).GroupVersion()), o)
	if err != nil {
		a.t.Error(err)
	}
	return data
}

func (a *apiServer) kind(resource string) kind {
	all := kinds()
	i := slices.IndexFunc(all, func(k kind) bool { return k.resource == resource })
	if i < 0 {
		a.t.Errorf("asked for %s", resource)
	}
	return all[i]
}

// line is a TCP connection between a client and the server that can go silent.
type line struct {
	net.Listener
	t *testing.T

	mu     sync.Mutex
	silent bool
	open   []net.Conn
}

func newLine(t *testing.T, to string) *line {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &line{Listener: l, t: t}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			p.mu.Lock()
			p.open = append(p.open, near, far)
			p.mu.Unlock()
			group.Go(func() { p.carry(near, far) })
			group.Go(func() { p.carry(far, near) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.open {
			_ = c.Close()
		}
		p.mu.Unlock()
		group.Wait()
	})
	return p
}

// carry copies bytes, and loses them while the line is silent.
func (p *line) carry(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			_ = to.Close()
			return
		}
		p.mu.Lock()
		silent := p.silent
		p.mu.Unlock()
		if silent {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			_ = from.Close()
			return
		}
	}
}

func (p *line) silence(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = on
}

// recorder keeps what was emitted, in order.
type recorder struct {
	t *testing.T

	mu     sync.Mutex
	bodies []event.Body
	more   chan struct{} // closed at each event
}

func newRecorder(t *testing.T) *recorder { return &recorder{t: t, more: make(chan struct{})} }

func (r *recorder) emit(b event.Body) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies = append(r.bodies, b)
	close(r.more)
	r.more = make(chan struct{})
}

// mark is the number of events so far; from a mark on, await looks.
func (r *recorder) mark() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

func (r *recorder) since(mark int) []event.Body {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bodies[mark:])
}

// await waits for the first event after mark that matches.
func await[B event.Body](r *recorder, mark int, what string, match func(B) bool) B {
	r.t.Helper()
	limit := time.After(20 * time.Second)
	for next := mark; ; {
		r.mu.Lock()
		bodies, more := r.bodies[next:], r.more
		r.mu.Unlock()
		for _, b := range bodies {
			if typed, ok := b.(B); ok && match(typed) {
				return typed
			}
		}
		next += len(bodies)
		select {
		case <-more:
		case <-limit:
			r.t.Fatalf("no %s", what)
		}
	}
}

func (r *recorder) awaitHealth(mark int, ok bool) event.SourceState {
	r.t.Helper()
	return await(r, mark, fmt.Sprintf("source state %t", ok), func(s event.SourceState) bool { return s.OK == ok })
}

func gvkOf(o runtime.Object) schema.GroupVersionKind {
	kinds, _, err := scheme.Scheme.ObjectKinds(o)
	if err != nil {
		panic(err) // a kind that client-go does not know
	}
	return kinds[0]
}

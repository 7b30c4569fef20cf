package watch

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"workbench/cluster/event"
)

// source is the store that the reflector of one kind writes to: it keeps which
// revisions were seen, and emits all else. The reflector calls it from one
// goroutine at a time.
type source struct {
	kind   kind
	client rest.Interface
	health *health
	emit   func(event.Body)
	seen   map[string]revision       // by event.Meta.Key
	nodes  map[string]event.KubeNode // as emitted last, without the revision

	synced    bool // all that existed was emitted
	streaming bool // a watch is open
}

// revision is one state of one object; a name can come back with another UID.
type revision struct {
	uid     types.UID
	version string
}

// listWatch is how the reflector asks the API. Requests are not retried below
// it, because that would wait for as long as a dying API server says.
func (s *source) listWatch() cache.ListerWatcher {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			s.synced = false
			list := s.kind.list()
			err := s.client.Get().Resource(s.kind.resource).VersionedParams(&opts, scheme.ParameterCodec).MaxRetries(0).Do(ctx).Into(list)
			if err != nil {
				s.health.lost(ctx, s.kind.name, fmt.Sprintf("list %s: %s", s.kind.resource, reason(err)))
			}
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, opts metav1.ListOptions) (apiwatch.Interface, error) {
			opts.Watch = true
			if opts.SendInitialEvents != nil && *opts.SendInitialEvents {
				s.synced = false
			}
			w, err := s.client.Get().Resource(s.kind.resource).VersionedParams(&opts, scheme.ParameterCodec).MaxRetries(0).Watch(ctx)
			if err != nil {
				s.health.lost(ctx, s.kind.name, fmt.Sprintf("watch %s: %s", s.kind.resource, reason(err)))
				return nil, err
			}
			s.streaming = true
			s.ready()
			return s.stream(ctx, w, opts), nil
		},
	}
}

// stream tells when w ends: the reflector stops every watch, also an ended one. A
// watch that lasted as long as was asked for did not break.
func (s *source) stream(ctx context.Context, w apiwatch.Interface, opts metav1.ListOptions) apiwatch.Interface {
	var planned time.Time
	if opts.TimeoutSeconds != nil {
		planned = time.Now().Add(time.Duration(*opts.TimeoutSeconds)*time.Second - time.Second)
	}
	return &stream{Interface: w, ended: sync.OnceFunc(func() {
		s.streaming = false
		if planned.IsZero() || time.Now().Before(planned) {
			s.health.lost(ctx, s.kind.name, fmt.Sprintf("the watch of %s broke", s.kind.resource))
		}
	})}
}

type stream struct {
	apiwatch.Interface
	ended func()
}

// Stop implements the watch.
func (s *stream) Stop() {
	s.Interface.Stop()
	s.ended()
}

func (s *source) ready() {
	if s.synced && s.streaming {
		s.health.back(s.kind.name)
	}
}

// Add implements cache.ReflectorStore.
func (s *source) Add(object any) error { return s.Update(object) }

// Update implements cache.ReflectorStore.
func (s *source) Update(object any) error {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	if !s.note(accessor) {
		return nil
	}
	if body := s.kind.project(object); s.news(body) {
		s.emit(body)
	}
	return nil
}

// news tells whether a body says more than the last of its object. A kubelet
// writes its Node every few seconds only to say that it lives; its Lease says so
// too.
func (s *source) news(body event.Body) bool {
	n, ok := body.(event.KubeNode)
	if !ok {
		return true
	}
	n.ResourceVersion = ""
	if last, ok := s.nodes[n.Key()]; ok && reflect.DeepEqual(last, n) {
		return false
	}
	s.nodes[n.Key()] = n
	return true
}

// Delete implements cache.ReflectorStore.
func (s *source) Delete(object any) error {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	m := projectMeta(accessor)
	delete(s.seen, m.Key())
	delete(s.nodes, m.Key())
	s.emit(event.KubeDeleted{Kind: s.kind.name, Meta: m})
	return nil
}

// Replace implements cache.ReflectorStore: a list that began a (new) watch. What
// changed since the last is emitted, then the keys of all that exist.
func (s *source) Replace(objects []any, _ string) error {
	type found struct {
		key  string
		at   time.Time
		body event.Body // nil when seen before
	}
	list := make([]found, 0, len(objects))
	keys := make([]string, 0, len(objects))
	for _, object := range objects {
		accessor, err := meta.Accessor(object)
		if err != nil {
			return err
		}
		key := objectKey(accessor)
		keys = append(keys, key)
		if !s.note(accessor) {
			continue
		}
		f := found{key: key, body: s.kind.project(object)}
		if e, ok := f.body.(event.KubeEvent); ok {
			f.at = e.Last // these are a story
		}
		list = append(list, f)
	}
	slices.Sort(keys)
	for key := range s.seen {
		if _, exists := slices.BinarySearch(keys, key); !exists {
			delete(s.seen, key)
			delete(s.nodes, key)
		}
	}
	slices.SortFunc(list, func(a, b found) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.key, b.key)) })
	for _, f := range list {
		if s.news(f.body) {
			s.emit(f.body)
		}
	}
	s.emit(event.KubeSynced{Kind: s.kind.name, Keys: keys})
	s.synced = true
	s.ready()
	return nil
}

// Resync implements cache.ReflectorStore; there is no resync period.
func (s *source) Resync() error { return nil }

// note remembers the revision, and tells whether it is new.
func (s *source) note(object metav1.Object) bool {
	key, now := objectKey(object), revision{object.GetUID(), object.GetResourceVersion()}
	if last, ok := s.seen[key]; ok && last == now {
		return false
	}
	s.seen[key] = now
	return true
}

func objectKey(object metav1.Object) string {
	return event.Meta{Namespace: object.GetNamespace(), Name: object.GetName()}.Key()
}

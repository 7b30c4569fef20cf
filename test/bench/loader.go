package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"

	"workbench/cluster/api"
	"workbench/cluster/etcdclient"
	"workbench/cluster/pki"
	"workbench/runtime/namespace"
)

// Objects that are changed: as many as a busy cluster has of a kind.
const (
	loadNamespace = "load"
	loadObjects   = 200
	apiObjects    = 20 // of them are the API's to change
	apiWriters    = 4
	etcdWriters   = 8
	// perTxn is how many objects a transaction of etcd changes: one revision, and
	// as many changes.
	perTxn = 10
)

// loader changes real objects: some through the API, the rest by transactions of
// etcd with the same objects, encoded as kube-apiserver encodes them.
type loader struct {
	w    workbench
	o    options
	kube *kubernetes.Clientset
	etcd *clientv3.Client
	net  *namespace.Net

	viaAPI, viaEtcd, failed atomic.Int64

	mu      sync.Mutex
	acked   map[int64]time.Time // revisions, when their writer was answered; some of them
	latency []time.Duration     // of writes through the API
}

func newLoader(ctx context.Context, w workbench, o options) (*loader, error) {
	l := &loader{w: w, o: o, acked: map[int64]time.Time{}}
	cfg, err := clientcmd.BuildConfigFromFlags("", w.place.Kubeconfig())
	if err != nil {
		return nil, err
	}
	cfg.QPS = -1
	if l.kube, err = kubernetes.NewForConfig(cfg); err != nil {
		return nil, err
	}
	world, err := api.NewClient(w.place.Socket()).World(ctx)
	if err != nil {
		return nil, err
	}
	member := world.Nodes["c1"]
	if l.net, err = namespace.NetOf(member.PID); err != nil {
		return nil, err
	}
	secure, err := pki.EtcdAdmin(w.place.PKI())
	if err != nil {
		return nil, err
	}
	etcd := etcdclient.Config(secure, l.net.DialContext, "https://"+net.JoinHostPort(member.IP, "2379"))
	etcd.Context = ctx
	if l.etcd, err = clientv3.New(etcd); err != nil {
		return nil, err
	}
	return l, l.prepare(ctx)
}

func (l *loader) close() {
	_ = l.etcd.Close()
	_ = l.net.Close()
}

// prepare makes the objects.
func (l *loader) prepare(ctx context.Context) error {
	spaces := l.kube.CoreV1().Namespaces()
	if _, err := spaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: loadNamespace}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(8)
	for i := range loadObjects {
		group.Go(func() error {
			_, err := l.kube.CoreV1().ConfigMaps(loadNamespace).Create(ctx, configMap(i, 0), metav1.CreateOptions{})
			return err
		})
	}
	return group.Wait()
}

func configMap(i, n int) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("object-%03d", i), Namespace: loadNamespace},
		Data:       map[string]string{"count": fmt.Sprint(n), "mode": "busy", "text": "what a small configuration has in it, about a line or two of text"},
	}
}

// revision is etcd's.
func (l *loader) revision(ctx context.Context) (int64, error) {
	r, err := l.etcd.Get(ctx, "/registry/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return r.Header.Revision, nil
}

// write writes at the wanted rate for as long as is wanted. A second in which
// not all could be written is made up for in the next.
func (l *loader) write(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, l.o.watchFor)
	defer stop()
	due := make(chan int, l.o.watchRate)
	var group errgroup.Group
	for i := range apiWriters {
		group.Go(func() error { return l.writeAPI(ctx, i) })
	}
	for range etcdWriters {
		group.Go(func() error { return l.writeEtcd(ctx, due) })
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for n := 0; ctx.Err() == nil; {
		want := int(time.Since(began).Seconds() * float64(l.o.watchRate-l.o.watchAPI) / perTxn)
		for ; n < want; n++ {
			select {
			case due <- n:
			case <-ctx.Done():
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	close(due)
	return group.Wait()
}

// writeAPI patches objects of its own through the API, at its share of the rate.
func (l *loader) writeAPI(ctx context.Context, writer int) error {
	tick := time.NewTicker(time.Second * apiWriters / time.Duration(max(1, l.o.watchAPI)))
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		object := configMap(writer+apiWriters*(n%(apiObjects/apiWriters)), 0)
		patch := fmt.Appendf(nil, `{"data":{"count":"%d-%d"}}`, writer, n)
		began := time.Now()
		got, err := l.kube.CoreV1().ConfigMaps(loadNamespace).Patch(ctx, object.Name, "application/merge-patch+json", patch, metav1.PatchOptions{})
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			l.failed.Add(1)
			continue
		}
		now := time.Now()
		l.viaAPI.Add(1)
		revision := int64(0)
		_, _ = fmt.Sscan(got.ResourceVersion, &revision)
		l.mu.Lock()
		l.latency = append(l.latency, now.Sub(began))
		l.acked[revision] = now
		l.mu.Unlock()
	}
}

// writeEtcd stores new states of objects as kube-apiserver would, some of them in
// one transaction.
func (l *loader) writeEtcd(ctx context.Context, due <-chan int) error {
	codec := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	for n := range due {
		puts := make([]clientv3.Op, perTxn)
		for i := range puts {
			at := (n*perTxn + i) % (loadObjects - apiObjects)
			object := configMap(apiObjects+at, n)
			object.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}
			object.UID = types.UID(fmt.Sprintf("3b0f1c52-0000-4000-8000-%012d", at))
			value, err := kruntime.Encode(codec, object)
			if err != nil {
				return err
			}
			puts[i] = clientv3.OpPut("/registry/configmaps/"+loadNamespace+"/"+object.Name, string(value))
		}
		r, err := l.etcd.Txn(ctx).Then(puts...).Commit()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			l.failed.Add(1)
			continue
		}
		l.viaEtcd.Add(perTxn)
		l.mu.Lock()
		l.acked[r.Header.Revision] = time.Now()
		l.mu.Unlock()
	}
	return nil
}

func encodeJSON(to io.Writer, v any) error {
	enc := json.NewEncoder(to)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Package lag measures how far each API server's watches are behind etcd: a
// watch of Leases through one API server, its deliveries compared with those of
// the watch of etcd, both at this process's clock.
//
//	etcd ---- registry.Run ---- Seen ----\
//	                                      meter of each API server --- kube.lag
//	API server ---- metadata of Leases --/
//
// Leases, because heartbeats renew them all the time: nothing has to be written
// to measure. What other watchers have received an API server does not tell.
package lag

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"workbench/cluster/event"
)

// Config says what to measure and where lags go.
type Config struct {
	// REST is how to reach each API server directly, by node.
	REST map[string]*rest.Config
	// Emit takes an event. It is called from several goroutines at once.
	Emit func(event.Body)
}

// Lag measures all API servers of a lab.
type Lag struct {
	cfg    Config
	mu     sync.Mutex
	meters map[string]*meter
}

// New prepares a measurement.
func New(cfg Config) (*Lag, error) {
	if len(cfg.REST) == 0 || cfg.Emit == nil {
		return nil, errors.New("measure watch lag: no API server or no Emit")
	}
	l := &Lag{cfg: cfg, meters: map[string]*meter{}}
	for node := range cfg.REST {
		l.meters[node] = newMeter(node)
	}
	return l, nil
}

// Seen takes a change that etcd delivered.
func (l *Lag) Seen(c *event.KubeChange, at time.Time) {
	if c.Resource != leases.Resource {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.meters {
		m.fromEtcd(c.Revision, at)
	}
}

var leases = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}

// Run measures until ctx ends, and then returns nil.
func (l *Lag) Run(ctx context.Context) error {
	var group errgroup.Group
	for node, cfg := range l.cfg.REST {
		cfg = rest.CopyConfig(cfg)
		cfg.UserAgent = "workbench-lag"
		cfg.QPS = -1
		client, err := metadata.NewForConfig(cfg)
		if err != nil {
			return fmt.Errorf("measure the watch lag of %s: %w", node, err)
		}
		group.Go(func() error {
			for ctx.Err() == nil {
				err := l.follow(ctx, node, client)
				if ctx.Err() != nil {
					return nil
				}
				l.broke(node, err)
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// stuck is how long a watch may deliver nothing of what it should before it is
// opened anew: its connection may be dead.
const stuck = 10 * time.Second

// errStuck says that a watch is open and brings nothing.
var errStuck = errors.New("the watch brings nothing")

// follow watches through one API server until that fails.
func (l *Lag) follow(ctx context.Context, node string, client metadata.Interface) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	list, err := client.Resource(leases).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return err
	}
	stream, err := client.Resource(leases).Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		return err
	}
	defer stream.Stop()
	from, err := strconv.ParseInt(list.ResourceVersion, 10, 64)
	if err != nil {
		return fmt.Errorf("read the list's revision: %w", err)
	}
	l.with(node, func(m *meter) { m.begin(from) })
	tick := time.NewTicker(late)
	defer tick.Stop()
	for {
		select {
		case e, open := <-stream.ResultChan():
			if !open {
				return errors.New("the watch ended")
			}
			if err := l.delivered(node, e); err != nil {
				return err
			}
		case now := <-tick.C:
			if waiting := l.tell(node, now, ""); waiting > stuck {
				return errStuck
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (l *Lag) delivered(node string, e watch.Event) error {
	if e.Type == watch.Error {
		return fmt.Errorf("the watch failed: %v", e.Object)
	}
	object, ok := e.Object.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil
	}
	revision, err := strconv.ParseInt(object.ResourceVersion, 10, 64)
	if err != nil {
		return fmt.Errorf("read a revision: %w", err)
	}
	now := time.Now()
	l.with(node, func(m *meter) { m.fromAPI(revision, now) })
	return nil
}

func (l *Lag) with(node string, do func(*meter)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do(l.meters[node])
}

// tell emits what is to be told, and says for how long a delivery is waited for.
func (l *Lag) tell(node string, now time.Time, problem string) time.Duration {
	var out event.KubeLag
	var ok bool
	l.with(node, func(m *meter) { out, ok = m.tell(now, problem) })
	if ok {
		l.cfg.Emit(out)
	}
	return out.Waiting
}

func (l *Lag) broke(node string, err error) {
	l.with(node, (*meter).reset)
	l.tell(node, time.Now(), err.Error())
}

package schedule

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	extender "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"workbench/cluster/event"
)

// gatekeeper is a Permit plugin as a user may add one: the label permit of a pod
// says what becomes of it.
type gatekeeper struct{ handle fwk.Handle }

const gatekeeperName = "Gatekeeper"

func (gatekeeper) Name() string { return gatekeeperName }

// Permit implements fwk.PermitPlugin.
func (g gatekeeper) Permit(_ context.Context, _ fwk.CycleState, pod *v1.Pod, _ string) (*fwk.Status, time.Duration) {
	switch pod.Labels["permit"] {
	case "no":
		return fwk.NewStatus(fwk.Unschedulable, "not today"), 0
	case "late":
		return fwk.NewStatus(fwk.Wait, "in a moment"), time.Minute
	case "never":
		return fwk.NewStatus(fwk.Wait, "for ever"), 300 * time.Millisecond
	}
	return nil, 0
}

// TestOutsidePlugins: what a Permit plugin of a user does, and what HTTP
// extenders do, is told as far as the scheduler knows it.
func TestOutsidePlugins(t *testing.T) {
	rest := serve(t)
	client := clientFor(t, rest)
	addNodes(t, client, 3)
	server := httptest.NewServer(http.HandlerFunc(extend))
	defer server.Close()
	handles := make(chan fwk.Handle, 1)
	registry := frameworkruntime.Registry{gatekeeperName: func(_ context.Context, _ runtime.Object, h fwk.Handle) (fwk.Plugin, error) {
		handles <- h
		return gatekeeper{h}, nil
	}}
	profile := profiles(t)[0].DeepCopy()
	profile.Plugins.Permit.Enabled = append(profile.Plugins.Permit.Enabled, config.Plugin{Name: gatekeeperName})
	j := &journal{news: make(chan struct{}, 1)}
	stop := run(t, rest, []config.KubeSchedulerProfile{*profile}, j.emit, scheduler.WithFrameworkOutOfTreeRegistry(registry),
		scheduler.WithExtenders(config.Extender{URLPrefix: server.URL, FilterVerb: "filter", EnableHTTPS: false, HTTPTimeout: metav1.Duration{Duration: patience}, NodeCacheCapable: true}))
	defer stop()
	handle := <-handles
	label := func(key, value string) func(*v1.Pod) {
		return func(p *v1.Pod) { p.Labels = map[string]string{key: value} }
	}

	t.Run("PermitRejects", func(t *testing.T) {
		addPod(t, client, "refused", "10m", label("permit", "no"))
		c := await(t, j, "the cycle of refused", cycleOf("refused", 1))
		last := c.Phases[len(c.Phases)-1]
		if c.Outcome != event.SchedUnschedulable || last.Point != "Permit" || last.Plugin != gatekeeperName || last.Reason != "not today" || last.Code != event.SchedNo {
			t.Errorf("refused: %s, %+v", c.Outcome, last)
		}
	})
	t.Run("PermitWaits", func(t *testing.T) {
		addPod(t, client, "late", "10m", label("permit", "late"))
		c := await(t, j, "the cycle of late", cycleOf("late", 1))
		if c.Outcome != event.SchedWaiting || c.Node == "" {
			t.Fatalf("late: %s on %q", c.Outcome, c.Node)
		}
		handle.IterateOverWaitingPods(func(p fwk.WaitingPod) { p.Allow(gatekeeperName) })
		b := await(t, j, "the binding of late", func(b event.SchedBind) bool { return b.Pod.UID == c.Pod.UID })
		if b.Outcome != event.SchedBound || b.Node != c.Node || !strings.Contains(points(b.Phases), "WaitOnPermit") {
			t.Errorf("late: %+v", b)
		}
	})
	t.Run("PermitTimesOut", func(t *testing.T) {
		addPod(t, client, "never", "10m", label("permit", "never"))
		c := await(t, j, "the cycle of never", cycleOf("never", 1))
		b := await(t, j, "the end of its binding", func(b event.SchedBind) bool { return b.Pod.UID == c.Pod.UID })
		if c.Outcome != event.SchedWaiting || b.Outcome != event.SchedUnschedulable || b.Message == "" {
			t.Errorf("never: %s, then %+v", c.Outcome, b)
		}
	})
	t.Run("Extender", func(t *testing.T) {
		addPod(t, client, "narrow", "10m", label("extender", "node-001"))
		c := await(t, j, "the cycle of narrow", cycleOf("narrow", 1))
		if c.Node != "node-001" || len(c.Extenders) != 1 {
			t.Errorf("narrow went to %q, extenders %v", c.Node, c.Extenders)
		}
		addPod(t, client, "nowhere", "10m", label("extender", "none"))
		c = await(t, j, "the cycle of nowhere", cycleOf("nowhere", 1))
		outside := 0
		for _, row := range c.Rows {
			if row.Code == event.SchedNo && row.Failed == 0 && len(row.Reason) > 0 && c.Reasons[row.Reason[0]] == refusal {
				outside++
			}
		}
		if c.Outcome != event.SchedUnschedulable || outside != 3 {
			t.Errorf("nowhere: %s, rows %+v of %v", c.Outcome, c.Rows, c.Reasons)
		}
	})
}

// points are the extension points of some phases.
func points(phases []event.SchedPhase) string {
	var names []string
	for _, p := range phases {
		names = append(names, p.Point)
	}
	return strings.Join(names, " ")
}

// refusal is why the extender rejects a node.
const refusal = "the extender does not want it"

// extend is an extender's filter: it leaves the node that a pod's label names,
// all for a pod without.
func extend(w http.ResponseWriter, r *http.Request) {
	var args extender.ExtenderArgs
	if err := json.NewDecoder(r.Body).Decode(&args); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var left []string
	failed := extender.FailedNodesMap{}
	for _, name := range *args.NodeNames {
		if wanted := args.Pod.Labels["extender"]; wanted == "" || wanted == name {
			left = append(left, name)
		} else {
			failed[name] = refusal
		}
	}
	_ = json.NewEncoder(w).Encode(extender.ExtenderFilterResult{NodeNames: &left, FailedNodes: failed})
}

package schedule

import (
	"context"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"workbench/cluster/event"
)

// extensionPoints are the plugins of a profile that give verdicts, in the order
// in which they run, and what every event of the profile says of them.
type extensionPoints struct {
	preFilter, filter, score []string

	names   []string            // of all of them, each once
	index   map[string]int      // of a name in names
	filters []int               // indexes of filter
	place   map[string]int      // of a Filter plugin, from 1
	scorers []event.SchedScorer // of score
}

func newExtensionPoints(all *config.Plugins) *extensionPoints {
	p := &extensionPoints{preFilter: enabled(all.PreFilter), filter: enabled(all.Filter), score: enabled(all.Score), index: map[string]int{}, place: map[string]int{}}
	for _, list := range [][]string{p.preFilter, p.filter, p.score} {
		for _, name := range list {
			if _, known := p.index[name]; !known {
				p.index[name] = len(p.names)
				p.names = append(p.names, name)
			}
		}
	}
	p.names = slices.Clip(p.names) // shared by events: appending to it copies
	for i, name := range p.filter {
		p.filters = append(p.filters, p.index[name])
		p.place[name] = i + 1
	}
	for _, plugin := range all.Score.Enabled {
		p.scorers = append(p.scorers, event.SchedScorer{Plugin: p.index[plugin.Name], Weight: int64(plugin.Weight)})
	}
	return p
}

// profile is a framework that records what passes through it.
type profile struct {
	framework.Framework
	r       *Recorder
	plugins *extensionPoints
}

func newProfile(r *Recorder, inner framework.Framework) *profile {
	return &profile{Framework: inner, r: r, plugins: newExtensionPoints(inner.ListPlugins())}
}

func enabled(set config.PluginSet) []string {
	out := make([]string, 0, len(set.Enabled))
	for _, p := range set.Enabled {
		out = append(out, p.Name)
	}
	return out
}

// RunPreFilterPlugins implements framework.Framework.
func (p *profile) RunPreFilterPlugins(ctx context.Context, state fwk.CycleState, pod *v1.Pod) (*fwk.PreFilterResult, *fwk.Status, sets.Set[string]) {
	from := time.Now()
	result, status, plugins := p.Framework.RunPreFilterPlugins(ctx, state, pod)
	c := recordIn(state)
	if c == nil {
		return result, status, plugins
	}
	c.phase("PreFilter", from, status)
	c.preFilter = preFilter{ran: true, allowed: -1}
	if !status.IsSuccess() {
		c.preFilter.code, c.preFilter.plugin, c.preFilter.reasons = code(status), status.Plugin(), status.Reasons()
	}
	if !result.AllNodes() {
		c.preFilter.allowed, c.preFilter.allowing = len(result.NodeNames), sets.List(plugins)
	}
	c.skipped = sets.List(state.GetSkipFilterPlugins())
	if status.IsSuccess() {
		c.filterAt = time.Now()
	}
	return result, status, plugins
}

// RunFilterPluginsWithNominatedPods implements framework.Framework. The
// scheduler calls it for many nodes at once.
func (p *profile) RunFilterPluginsWithNominatedPods(ctx context.Context, state fwk.CycleState, pod *v1.Pod, info fwk.NodeInfo) *fwk.Status {
	status := p.Framework.RunFilterPluginsWithNominatedPods(ctx, state, pod, info)
	if c := recordIn(state); c != nil {
		c.filter(info.Node().Name, status)
	}
	return status
}

// GetNodeHint implements framework.Framework.
func (p *profile) GetNodeHint(ctx context.Context, pod *v1.Pod, signature fwk.PodSignature, state fwk.CycleState, cycle int64) string {
	hint := p.Framework.GetNodeHint(ctx, pod, signature, state, cycle)
	if c := recordIn(state); c != nil {
		c.hint = hint
	}
	return hint
}

// RunPreScorePlugins implements framework.Framework.
func (p *profile) RunPreScorePlugins(ctx context.Context, state fwk.CycleState, pod *v1.Pod, nodes []fwk.NodeInfo) *fwk.Status {
	c := recordIn(state)
	if c != nil {
		c.endFilter()
	}
	from := time.Now()
	status := p.Framework.RunPreScorePlugins(ctx, state, pod, nodes)
	if c != nil {
		c.phase("PreScore", from, status)
		c.skippedScore = sets.List(state.GetSkipScorePlugins())
	}
	return status
}

// RunScorePlugins implements framework.Framework. The caller appends to what is
// returned and reorders it; the copy keeps what plugins said.
func (p *profile) RunScorePlugins(ctx context.Context, state fwk.CycleState, pod *v1.Pod, nodes []fwk.NodeInfo) ([]fwk.NodePluginScores, *fwk.Status) {
	from := time.Now()
	scores, status := p.Framework.RunScorePlugins(ctx, state, pod, nodes)
	if c := recordIn(state); c != nil {
		c.phase("Score", from, status)
		c.scored, c.scores = true, p.r.spare.copyScores(scores)
	}
	return scores, status
}

// RunPostFilterPlugins implements framework.Framework.
func (p *profile) RunPostFilterPlugins(ctx context.Context, state fwk.CycleState, pod *v1.Pod, filtered fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	from := time.Now()
	result, status := p.Framework.RunPostFilterPlugins(ctx, state, pod, filtered)
	if c := recordIn(state); c != nil {
		c.phase("PostFilter", from, status)
		c.post = event.SchedPreemption{Ran: true, Message: clip(status.Message())}
		if result != nil && result.NominatingInfo != nil {
			c.post.Nominated = result.NominatedNodeName
		}
	}
	return result, status
}

// RunReservePluginsReserve implements framework.Framework.
func (p *profile) RunReservePluginsReserve(ctx context.Context, state fwk.CycleState, pod *v1.Pod, node string) *fwk.Status {
	from := time.Now()
	status := p.Framework.RunReservePluginsReserve(ctx, state, pod, node)
	if c := recordIn(state); c != nil {
		c.phase("Reserve", from, status)
	}
	return status
}

// RunPermitPlugins implements framework.Framework. It is the end of a cycle
// that found a node.
func (p *profile) RunPermitPlugins(ctx context.Context, state fwk.CycleState, pod *v1.Pod, node string) (map[string]time.Duration, *fwk.Status) {
	from := time.Now()
	waits, status := p.Framework.RunPermitPlugins(ctx, state, pod, node)
	c := recordIn(state)
	if c == nil {
		return waits, status
	}
	c.phase("Permit", from, status)
	switch {
	case status.IsSuccess():
		c.decide(event.SchedScheduled, "")
	case status.IsWait():
		c.decide(event.SchedWaiting, clip(status.Message()))
	}
	return waits, status
}

// WaitOnPermit implements framework.Framework.
func (p *profile) WaitOnPermit(ctx context.Context, pod *v1.Pod) *fwk.Status {
	from := time.Now()
	status := p.Framework.WaitOnPermit(ctx, pod)
	if c := p.r.of(pod.UID); c != nil {
		c.phase("WaitOnPermit", from, status)
	}
	return status
}

// RunPreBindPlugins implements framework.Framework.
func (p *profile) RunPreBindPlugins(ctx context.Context, state fwk.CycleState, pod *v1.Pod, node string) *fwk.Status {
	from := time.Now()
	status := p.Framework.RunPreBindPlugins(ctx, state, pod, node)
	if c := recordIn(state); c != nil {
		c.phase("PreBind", from, status)
	}
	return status
}

// RunBindPlugins implements framework.Framework. An extender that binds is not
// seen here; PostBind then follows all the same.
func (p *profile) RunBindPlugins(ctx context.Context, state fwk.CycleState, pod *v1.Pod, node string) *fwk.Status {
	from := time.Now()
	status := p.Framework.RunBindPlugins(ctx, state, pod, node)
	if c := recordIn(state); c != nil {
		c.phase("Bind", from, status)
	}
	return status
}

// RunPostBindPlugins implements framework.Framework. It is the end of a binding.
func (p *profile) RunPostBindPlugins(ctx context.Context, state fwk.CycleState, pod *v1.Pod, node string) {
	p.Framework.RunPostBindPlugins(ctx, state, pod, node)
	if c := recordIn(state); c != nil {
		p.r.close(pod.UID)
		c.bound(event.SchedBound, "")
	}
}

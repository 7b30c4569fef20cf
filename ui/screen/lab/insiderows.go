package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/themes"
	"workbench/ui/screen"
	"workbench/ui/widget"
)

// volumeTable are the volumes the kubelet has set up, by pod.
func volumeTable(cx *screen.Context, n *state.Node) (string, widget.Table) {
	st := cx.Styles
	t := widget.Table{Empty: "none set up", Columns: []widget.Column{
		{Title: "POD", Grow: true}, {Title: "VOLUME", Grow: true}, {Title: "KIND"}, {Title: "MOUNTED", Drop: 1, Grow: true},
	}}
	if n.Kubelet == nil {
		return "Volumes", t
	}
	names := map[string]string{}
	for _, p := range cx.World.Kube.Pods {
		names[p.UID] = p.Name
	}
	for _, uid := range slices.Sorted(maps.Keys(n.Kubelet.Volumes)) {
		pod, style := names[uid], st.Text
		if pod == "" {
			// A pod the API does not know, or a static one: its directory has another UID.
			pod, style = uid, st.Muted
		}
		for _, v := range n.Kubelet.Volumes[uid] {
			mounted := "a directory"
			if v.FS != "" {
				mounted = strings.TrimSpace(v.FS + " " + v.Source)
			}
			t.Rows = append(t.Rows, []widget.Cell{
				{Text: pod, Style: style}, {Text: v.Name, Style: st.Text}, {Text: kindOfVolume(v.Plugin), Style: st.Text}, {Text: widget.Clean(mounted), Style: st.Muted},
			})
		}
	}
	slices.SortStableFunc(t.Rows, func(a, b []widget.Cell) int { return strings.Compare(a[0].Text, b[0].Text) })
	return fmt.Sprintf("Volumes %d", len(t.Rows)), t
}

// kindOfVolume is a plugin's directory without its vendor.
func kindOfVolume(plugin string) string {
	if _, kind, ok := strings.Cut(plugin, "~"); ok {
		return kind
	}
	return plugin
}

// eventTable are the events of containerd, the newest first.
func eventTable(cx *screen.Context, n *state.Node) (string, widget.Table) {
	st := cx.Styles
	t := widget.Table{Empty: "none yet", Columns: []widget.Column{
		{Title: "AGO", Right: true}, {Title: "EVENT"}, {Title: "POD", Grow: true}, {Title: "CONTAINER", Drop: 1}, {Title: "PID", Right: true, Drop: 2},
	}}
	for _, e := range slices.Backward(n.Containers) {
		what, style := outcome(st, e)
		pod, container, pid := e.Pod, e.Container, ""
		if pod == "" {
			pod = e.ID[:min(len(e.ID), 12)]
		} else if container == "" {
			container = "(sandbox)"
		}
		if e.PID != 0 {
			pid = fmt.Sprint(e.PID)
		}
		t.Rows = append(t.Rows, []widget.Cell{
			{Text: widget.Since(cx.Now, e.At), Style: st.Muted}, {Text: what, Style: style}, {Text: pod, Style: st.Text},
			{Text: container, Style: st.Text}, {Text: pid, Style: st.Muted},
		})
	}
	return fmt.Sprintf("containerd told %d", len(t.Rows)), t
}

// outcome is what happened, in a word or two.
func outcome(st *themes.Styles, e state.ContainerEvent) (string, themes.Style) {
	switch {
	case e.What == event.ContainerOOM:
		return "out of memory", st.Bad
	case e.What == event.ContainerExited && e.ExitCode != 0:
		return fmt.Sprintf("exited %d", e.ExitCode), st.Bad
	case e.What == event.ContainerStarted || e.What == event.ContainerResumed:
		return string(e.What), st.OK
	case e.What == event.ContainerPaused:
		return string(e.What), st.Paused
	}
	return string(e.What), st.Text
}

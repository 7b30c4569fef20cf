package ui

import (
	"fmt"
	"testing"
	"time"

	"workbench/cluster/event"
)

// pressed starts the app on the Lab screen with two workers whose kubelets say that
// something runs short.
func pressed(t *testing.T, w, h int) *driver {
	t.Helper()
	d := open(t, w, h, running)
	last := d.m.world.Seq
	at := d.m.world.Now
	for i, n := range []event.KubeNode{
		{Meta: event.Meta{Name: "w1"}, Ready: "True", Pressures: []event.Pressure{
			{Type: "MemoryPressure", Message: "kubelet has insufficient memory available", Since: at.Add(-12 * time.Second)},
		}, Taints: []event.Taint{{Key: "node.kubernetes.io/memory-pressure", Effect: "NoSchedule"}}},
		{Meta: event.Meta{Name: "w3"}, Ready: "True", Pressures: []event.Pressure{
			{Type: "MemoryPressure", Message: "kubelet has insufficient memory available", Since: at.Add(-3 * time.Minute)},
			{Type: "DiskPressure", Message: "kubelet has disk pressure", Since: at.Add(-9 * time.Second)},
			{Type: "PIDPressure", Message: "kubelet has insufficient PID available", Since: at},
		}},
	} {
		d.send(eventsMsg{[]event.Event{{Seq: last + uint64(i) + 1, Time: at, Body: n}}})
	}
	return d
}

// TestPressureIsShown looks at nodes under pressure: in their boxes, where there are
// none, and in the details of one.
func TestPressureIsShown(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for name, keys := range map[string][]string{"lab": nil, "inside": {"right", "right", "right", "enter"}} {
			t.Run(fmt.Sprintf("%s/%dx%d", name, size[0], size[1]), func(t *testing.T) {
				d := pressed(t, size[0], size[1]).press(keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/pressure-%s-%dx%d.txt", name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
	pressed(t, 80, 10).sees("Ready, MemoryPressure", "Ready, Memory+Disk+PIDPressure")
}

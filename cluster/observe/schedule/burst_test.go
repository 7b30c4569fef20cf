package schedule

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"workbench/cluster/observe/tap"
)

type eventsEvent = eventsv1.Event

func addPriority(t testing.TB, client kubernetes.Interface, name string, value int32) {
	t.Helper()
	class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: value}
	if _, err := client.SchedulingV1().PriorityClasses().Create(context.Background(), class, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// The burst: that many pods wait when the scheduler starts. A pair is a round
// without the recorder and one with it, next to each other.
const (
	burstNodes = 100
	burstPods  = 500
	burstPairs = 8
)

// BenchmarkBurst schedules a burst of pods with the recorder and without it, by
// turns in one run, and reports the medians: of either, and of what the recorder
// cost in each pair, which other work on the machine disturbs less. The API
// server is a process of its own: processor time is that of scheduler, client
// and recorder alone.
//
// Equal pods let the scheduler reuse what it scored for the one before;
// different ones make it run every plugin for every pod.
func BenchmarkBurst(b *testing.B) {
	config := serve(b)
	client := clientFor(b, config)
	addNodes(b, client, burstNodes)
	for _, kind := range []string{"equal", "different"} {
		b.Run(kind, func(b *testing.B) {
			var rates, costs [2][]float64 // without, with
			var slower, dearer []float64  // per cent, of each pair
			for range b.N {
				burst(b, config, client, kind == "equal", true) // warms up both ends
				for pair := range burstPairs {
					for turn := range 2 {
						with := (pair + turn) % 2 // off on, on off, off on ...
						took, cpu := burst(b, config, client, kind == "equal", with == 1)
						rates[with] = append(rates[with], burstPods/took.Seconds())
						costs[with] = append(costs[with], float64(cpu.Microseconds())/burstPods)
					}
					slower = append(slower, 100*(rates[0][len(rates[0])-1]/rates[1][len(rates[1])-1]-1))
					dearer = append(dearer, 100*(costs[1][len(costs[1])-1]/costs[0][len(costs[0])-1]-1))
				}
			}
			b.Logf("%s pods: pods/s off %.0f, on %.0f; CPU µs/pod off %.0f, on %.0f; %% slower %.0f, %% more CPU %.0f",
				kind, rates[0], rates[1], costs[0], costs[1], slower, dearer)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(rates[0]), "pods/s-off")
			b.ReportMetric(median(rates[1]), "pods/s-on")
			b.ReportMetric(median(costs[0]), "cpu-µs/pod-off")
			b.ReportMetric(median(costs[1]), "cpu-µs/pod-on")
			b.ReportMetric(median(slower), "%-slower")
			b.ReportMetric(median(dearer), "%-more-cpu")
		})
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// burst is one round: how long it took to bind all, and the processor time.
func burst(b *testing.B, config *rest.Config, client kubernetes.Interface, equal, recorded bool) (time.Duration, time.Duration) {
	b.Helper()
	ctx := context.Background()
	var making sync.WaitGroup
	for worker := range 10 {
		making.Go(func() {
			for i := worker; i < burstPods; i += 10 {
				cpu := "20m"
				if !equal {
					cpu = fmt.Sprintf("%dm", 10+i%50)
				}
				addPod(b, client, fmt.Sprintf("burst-%03d", i), cpu, nil)
			}
		})
	}
	making.Wait()
	var emit Emit
	if recorded {
		read, write, err := os.Pipe()
		if err != nil {
			b.Fatal(err)
		}
		reader := exec.Command("cat") // a process of its own, as the node's init is
		reader.Stdin = read
		if err := reader.Start(); err != nil {
			b.Fatal(err)
		}
		read.Close()
		defer func() {
			_ = reader.Process.Kill()
			_ = reader.Wait()
		}()
		emit = tap.New(write).Emit
	}
	watch, err := client.CoreV1().Pods("default").Watch(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName!="})
	if err != nil {
		b.Fatal(err)
	}
	from, before := time.Now(), processorTime(b)
	stop := run(b, config, profiles(b)[:1], emit)
	bound := map[string]bool{}
	for e := range watch.ResultChan() {
		if pod, ok := e.Object.(*v1.Pod); ok {
			bound[pod.Name] = true
		}
		if len(bound) == burstPods {
			break
		}
	}
	took, cpu := time.Since(from), processorTime(b)-before
	watch.Stop()
	stop()
	zero := int64(0)
	if err := client.CoreV1().Pods("default").DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &zero}, metav1.ListOptions{}); err != nil {
		b.Fatal(err)
	}
	if list, err := client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{}); err != nil || len(list.Items) > 0 {
		b.Fatalf("%d pods are left: %v", len(list.Items), err)
	}
	return took, cpu
}

// processorTime is what this process used so far, in user and system mode.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

package history

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/journal"
	"workbench/cluster/state"
)

// hours is a journal of hours made from the failover one: the story again and
// again, each time later. Every other round it is busy with pods that come and
// go, so that the world has some hundreds of them.
func hours(tb testing.TB, n int, each func(event.Event)) {
	story := failover(tb)
	length := story[len(story)-1].Time.Sub(story[0].Time) + time.Second
	for made, round := 0, 0; made < n; round++ {
		for _, e := range story {
			if _, boot := e.Body.(event.LabTopology); boot && round > 0 {
				continue
			}
			e.Time = e.Time.Add(time.Duration(round) * length)
			each(e)
			if made++; made%3 == 0 {
				name := fmt.Sprint("burst-", made/3%400)
				each(event.Event{Time: e.Time, Body: event.KubePod{Meta: event.Meta{Namespace: "load", Name: name, UID: name, ResourceVersion: fmt.Sprint(made)},
					Phase: "Running", Status: "Running", Node: "w1", Ready: made%2 == 0,
					Containers: []event.KubeContainer{{Name: "main", Image: "workbench.local/echo:1", State: "running"}}}})
				made++
			}
		}
	}
}

// BenchmarkAt rewinds to random instants of a journal of 200,000 events, three
// hours of a lab at rest. It reports the slowest as well.
func BenchmarkAt(b *testing.B) {
	j := openJournal(b, b.TempDir(), journal.Options{})
	h := openHistory(b, Config{Log: OfJournal(j), Dir: filepath.Join(b.TempDir(), "k")})
	w := state.New()
	began := time.Now()
	hours(b, 200_000, func(e event.Event) { record(b, j, h, w, []event.Event{e}) })
	took := time.Since(began)
	raw := len(encode(b, w))
	n, bytes := h.Keyframes()
	b.Logf("%d events recorded at %.0f/s, %d keyframes of %d bytes in all, the world has %d bytes", j.Last(), float64(j.Last())/took.Seconds(), n, bytes, raw)
	r := rand.New(rand.NewPCG(1, 1))
	var all []time.Duration
	for b.Loop() {
		began := time.Now()
		if _, err := h.At(b.Context(), Instant{Seq: 1 + r.Uint64N(j.Last())}); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "ms/slowest")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms/median")
}

// BenchmarkKeep is what a keyframe costs the recorder, for each event.
func BenchmarkKeep(b *testing.B) {
	var events []event.Event
	hours(b, 20_000, func(e event.Event) { e.Seq = uint64(len(events) + 1); events = append(events, e) })
	h := openHistory(b, Config{Log: emptyLog{}})
	w := state.New()
	for i := 0; b.Loop(); i++ {
		e := events[i%len(events)]
		e.Seq = uint64(i + 1)
		w.Apply(e)
		h.Keep(e, w, 0)
	}
}

var realJournal = flag.String("journal", "", "events -o json of a lab, for BenchmarkRewind")

// BenchmarkRewind is what it takes to show random instants of a real lab's
// journal: reading the stretch, its world, and folding it up to the instant. It
// reports processor time as well, which other work on the machine does not change.
//
//	workbench events -o json > journal.jsonl
//	go test ./cluster/history -run - -bench Rewind -journal journal.jsonl
func BenchmarkRewind(b *testing.B) {
	if *realJournal == "" {
		b.Skip("no -journal")
	}
	f, err := os.Open(*realJournal)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	j := openJournal(b, b.TempDir(), journal.Options{})
	h := openHistory(b, Config{Log: OfJournal(j), Dir: filepath.Join(b.TempDir(), "k")})
	w := state.New()
	for e, err := range journal.Decode(f) {
		if err != nil {
			b.Fatal(err)
		}
		record(b, j, h, w, []event.Event{e})
	}
	n, bytes := h.Keyframes()
	b.Logf("%d events, %d keyframes of %d bytes in all, the last world has %d bytes as JSON and %d as kept", j.Last(), n, bytes, len(encode(b, w)), len(newCodec().encode(w)))
	r := rand.New(rand.NewPCG(1, 1))
	var wall, cpu []time.Duration
	for b.Loop() {
		began, used := time.Now(), processorTime(b)
		if _, err := h.At(b.Context(), Instant{Seq: 1 + r.Uint64N(j.Last())}); err != nil {
			b.Fatal(err)
		}
		wall, cpu = append(wall, time.Since(began)), append(cpu, processorTime(b)-used)
	}
	report := func(all []time.Duration, of string) {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms/median-"+of)
		b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "ms/slowest-"+of)
	}
	report(wall, "wall")
	report(cpu, "cpu")
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type emptyLog struct{}

func (emptyLog) First() uint64           { return 1 }
func (emptyLog) Last() uint64            { return 0 }
func (emptyLog) Open(_, _ uint64) Cursor { return nil }

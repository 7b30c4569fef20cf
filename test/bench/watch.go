package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/layout"
)

// watched is what a lab bore of changes, and what became of them.
type watched struct {
	For time.Duration `json:"for"`
	// Writes that were asked for and took place, by way.
	ThroughAPI  int64 `json:"throughAPI"`
	ThroughEtcd int64 `json:"throughEtcd"`
	Failed      int64 `json:"failed"`
	// Stored are the changes below /registry/ by a watch of etcd that is the
	// benchmark's own, Revisions the difference of etcd's revision.
	Stored    int64 `json:"stored"`
	Revisions int64 `json:"revisions"`
	// Journal are the changes in the journal of those revisions, and Missed those
	// that a gap tells of.
	Journal int64 `json:"journal"`
	Missed  int64 `json:"missed"`
	// Observed is how long after etcd's answer to the writer a change was observed;
	// Readable when it came to a follower of the journal.
	Observed lags `json:"observed"`
	Readable lags `json:"readable"`
	// WriteAPI is the latency of writes through the API.
	WriteAPI lags `json:"writeAPI"`
	// Audit compares the latency of writes at rest.
	Audit audited `json:"audit"`
	// Frames that the app drew on the Watch screen, a second: on the whole, and in
	// the slowest second.
	Frames        float64 `json:"framesPerSecond"`
	SlowestSecond int64   `json:"slowestSecond"`
	Processes     []load1 `json:"processes"`
	MachineBusy   float64 `json:"machineCPUSeconds"`
}

// lags are percentiles in milliseconds.
type lags struct {
	Median float64 `json:"p50ms"`
	P99    float64 `json:"p99ms"`
	Most   float64 `json:"maxms"`
}

// load1 is what one process used.
type load1 struct {
	Name string `json:"name"`
	// PrivateMiB by time: at the begin, a third, two thirds, the end.
	PrivateMiB []int64 `json:"privateMiB"`
	CPUSeconds float64 `json:"cpuSeconds"`
}

func lagsOf(all []time.Duration) lags {
	if len(all) == 0 {
		return lags{}
	}
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return lags{ms(all[len(all)/2]), ms(all[len(all)*99/100]), ms(all[len(all)-1])}
}

// measureWatch boots a small lab, writes changes to it while the app shows the
// Watch screen, and counts.
func measureWatch(ctx context.Context, o options, to io.Writer) (err error) {
	place := layout.Lab{State: filepath.Join(o.dir, "watch"), Name: "watch"}
	w := workbench{binary: o.binary, place: place}
	defer func() { err = errors.Join(err, w.clear(), os.RemoveAll(place.State)) }()
	progress("boot a lab of 1+1")
	if said, err := w.command(ctx, "up", "--detach", "--control-planes", "1", "--workers", "1").CombinedOutput(); err != nil {
		return fmt.Errorf("up: %w: %s", err, tail(said))
	}
	l, err := newLoader(ctx, w, o)
	if err != nil {
		return err
	}
	defer l.close()
	progress("write with the audit sink and without")
	audit, err := l.compareAudit(ctx)
	if err != nil {
		return err
	}
	out, err := l.run(ctx)
	if err != nil {
		return err
	}
	out.Audit = audit
	return out.write(to, o)
}

// run writes for as long as is wanted and waits until the journal has it all.
func (l *loader) run(ctx context.Context) (watched, error) {
	out := watched{For: l.o.watchFor}
	t, err := l.w.openApp(ctx)
	if err != nil {
		return out, err
	}
	defer t.close()
	if err := pass(ctx, appSettles); err != nil {
		return out, err
	}
	if err := t.press("3"); err != nil {
		return out, err
	}
	supervisor, err := find("supervisor", "--state-dir", l.w.place.State, "--name", l.w.place.Name)
	if err != nil {
		return out, err
	}
	client := api.NewClient(l.w.place.Socket())
	world, err := client.World(ctx)
	if err != nil {
		return out, err
	}
	from, err := l.revision(ctx)
	if err != nil {
		return out, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	stored := &tally{}
	group.Go(func() error { return l.watchStored(ctx, from, stored) })
	told := &tally{}
	group.Go(func() error { return follow(ctx, client, world.Seq, from, told) })
	meters := []*processMeter{{name: "supervisor", pid: supervisor}, {name: "app", pid: t.pid()}}
	busy, err := machineBusy()
	if err != nil {
		return out, err
	}
	progress("write %d changes a second for %v", l.o.watchRate, l.o.watchFor)
	frames, began := t.frames.Load(), time.Now()
	var seconds []int64
	sampling, sampled := context.WithCancel(ctx)
	group.Go(func() error { return sample1(sampling, l.o.watchFor, t, meters, &seconds) })
	err = l.write(ctx)
	out.Frames = float64(t.frames.Load()-frames) / time.Since(began).Seconds()
	after, busyErr := machineBusy()
	out.MachineBusy = (after - busy).Seconds()
	sampled()
	if err = errors.Join(err, busyErr); err != nil {
		return out, err
	}
	upTo, err := l.revision(ctx)
	if err != nil {
		return out, err
	}
	progress("wait for revision %d in the journal", upTo)
	waited, gaveUp := context.WithTimeoutCause(ctx, l.o.timeout, fmt.Errorf("revision %d is not in the journal after %v", upTo, l.o.timeout))
	defer gaveUp()
	if err := errors.Join(stored.await(waited, upTo), told.await(waited, upTo)); err != nil {
		progress("%v", err)
	}
	for _, m := range meters {
		out.Processes = append(out.Processes, m.result())
	}
	stop()
	_ = group.Wait() // their context ended
	l.fill(&out, stored, told, from, upTo, seconds)
	return out, nil
}

// fill puts what was counted into the result.
func (l *loader) fill(out *watched, stored, told *tally, from, upTo int64, seconds []int64) {
	out.ThroughAPI, out.ThroughEtcd, out.Failed = l.viaAPI.Load(), l.viaEtcd.Load(), l.failed.Load()
	out.Stored, out.Journal, out.Missed, out.Revisions = stored.upTo(upTo), told.upTo(upTo), told.missed, upTo-from
	var observed, readable []time.Duration
	for revision, at := range l.acked {
		if seen, ok := told.at[revision]; ok {
			observed = append(observed, max(0, seen.observed.Sub(at)))
			readable = append(readable, max(0, seen.arrived.Sub(at)))
		}
	}
	out.Observed, out.Readable, out.WriteAPI = lagsOf(observed), lagsOf(readable), lagsOf(l.latency)
	if len(seconds) > 2 {
		out.SlowestSecond = slices.Min(seconds[1 : len(seconds)-1])
	}
}

// tally counts changes by revision.
type tally struct {
	mu     sync.Mutex
	at     map[int64]seen
	last   int64
	missed int64
}

type seen struct {
	observed, arrived time.Time
	n                 int64
}

func (t *tally) add(revision int64, observed, arrived time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at == nil {
		t.at = map[int64]seen{}
	}
	one := t.at[revision]
	one.observed, one.arrived, one.n = observed, arrived, one.n+1
	t.at[revision] = one
	t.last = max(t.last, revision)
}

// upTo is how many changes there are up to a revision.
func (t *tally) upTo(revision int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := int64(0)
	for r, one := range t.at {
		if r <= revision {
			n += one.n
		}
	}
	return n
}

// await waits until a revision was counted, or a later one: there is always a
// next one, by leases.
func (t *tally) await(ctx context.Context, revision int64) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		t.mu.Lock()
		last := t.last
		t.mu.Unlock()
		if last >= revision {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// follow counts the changes in the journal after a revision.
func follow(ctx context.Context, client *api.Client, after uint64, from int64, into *tally) error {
	return client.Follow(ctx, after, func(events []event.Event) {
		arrived := time.Now()
		for _, e := range events {
			switch b := e.Body.(type) {
			case event.KubeChange:
				if b.Revision > from {
					into.add(b.Revision, e.Time, arrived)
				}
			case event.KubeGap:
				into.mu.Lock()
				into.missed += b.To - b.From + 1
				into.mu.Unlock()
			}
		}
	})
}

// watchStored counts what etcd stores, with a watch of the benchmark's own.
func (l *loader) watchStored(ctx context.Context, from int64, into *tally) error {
	for r := range l.etcd.Watch(ctx, "/registry/", clientv3.WithPrefix(), clientv3.WithRev(from+1)) {
		if err := r.Err(); err != nil {
			return err
		}
		now := time.Now()
		for _, e := range r.Events {
			into.add(e.Kv.ModRevision, now, now)
		}
	}
	return nil
}

// processMeter samples one process.
type processMeter struct {
	name    string
	pid     int
	private []int64
	first   time.Duration
	last    time.Duration
}

func (m *processMeter) sample() error {
	used, err := stat(m.pid)
	if err != nil {
		return fmt.Errorf("%s ended: %w", m.name, err)
	}
	size, err := memory(m.pid)
	if err != nil {
		return err
	}
	if len(m.private) == 0 {
		m.first = used.own
	}
	m.last, m.private = used.own, append(m.private, size.Private)
	return nil
}

func (m *processMeter) result() load1 {
	out := load1{Name: m.name, CPUSeconds: (m.last - m.first).Seconds()}
	for i := range 4 {
		if n := len(m.private); n > 0 {
			out.PrivateMiB = append(out.PrivateMiB, m.private[i*(n-1)/3]>>20)
		}
	}
	return out
}

// sample1 samples processes and frames once a second.
func sample1(ctx context.Context, length time.Duration, t *terminal, meters []*processMeter, seconds *[]int64) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := t.frames.Load()
	for {
		for _, m := range meters {
			if err := m.sample(); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
			now := t.frames.Load()
			*seconds, last = append(*seconds, now-last), now
		case <-ctx.Done():
			return nil
		}
	}
}

func (r watched) write(to io.Writer, o options) error {
	if o.output == "json" {
		return encodeJSON(to, r)
	}
	t := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("written", "%d in %v: %d through the API, %d by etcd transactions of %d, %d failed", r.ThroughAPI+r.ThroughEtcd, r.For, r.ThroughAPI, r.ThroughEtcd, perTxn, r.Failed)
	line("stored", "%d changes below /registry/ by a watch of etcd, %d revisions", r.Stored, r.Revisions)
	line("journal", "%d changes, %d missed by gaps: %s", r.Journal, r.Missed, cmp.Or(map[bool]string{true: "nothing dropped"}[r.Journal == r.Stored && r.Missed == 0], "NOT ALL"))
	line("observed after", "p50 %.1f ms, p99 %.1f ms, at most %.1f ms", r.Observed.Median, r.Observed.P99, r.Observed.Most)
	line("readable after", "p50 %.1f ms, p99 %.1f ms, at most %.1f ms", r.Readable.Median, r.Readable.P99, r.Readable.Most)
	line("write by API", "p50 %.1f ms, p99 %.1f ms, at most %.1f ms", r.WriteAPI.Median, r.WriteAPI.P99, r.WriteAPI.Most)
	line("audit on/off", "p50 %.2f/%.2f ms, p99 %.1f/%.1f ms, one write after the other, at rest", r.Audit.On.Median, r.Audit.Off.Median, r.Audit.On.P99, r.Audit.Off.P99)
	line("frames", "%.1f a second on the Watch screen at 120x40, %d in the slowest second", r.Frames, r.SlowestSecond)
	for _, p := range r.Processes {
		line(p.Name, "%v MiB private at the begin, a third, two thirds, the end; %.1f CPU seconds", p.PrivateMiB, p.CPUSeconds)
	}
	line("machine", "%.1f CPU seconds in all, of %.0f", r.MachineBusy, r.For.Seconds()*float64(runtime.NumCPU()))
	return t.Flush()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/journal"
	"workbench/cluster/layout"
	"workbench/cluster/recording"
	"workbench/cluster/state"
	"workbench/ui/widget"
)

// recordFlags say what to record.
type recordFlags struct {
	output  string
	since   string
	length  time.Duration
	maxSize int64 // MiB
}

func recordCommand(o *options) *cobra.Command {
	f := &recordFlags{}
	cmd := &cobra.Command{
		Use:   "record [NAME] -o FILE",
		Short: "Record what happens in the lab into a file, for replay",
		Long: `Record the lab's events into one file that replay plays without a lab and without
root. Without --since it records from now until ctrl+c or for --for; with --since what
has happened already, and then on for --for. Nothing but events gets into the file: no
contents of Secrets, no keys, no kubeconfig.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.name = args[0]
			}
			return record(cmd.Context(), o, f, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "file to write; it must not exist")
	cmd.Flags().StringVar(&f.since, "since", "now", "where to begin: now, all that is kept, or a duration ago such as 5m")
	cmd.Flags().DurationVar(&f.length, "for", 0, "how long to record from now on")
	cmd.Flags().Int64Var(&f.maxSize, "max-size", 256, "size limit of the file in MiB; recording ends there")
	_ = cmd.MarkFlagRequired("output")
	return cmd
}

// source is where a recording's events come from: a lab that runs, or the journal
// of one that does not.
type source interface {
	World(ctx context.Context) (*state.World, error)
	At(ctx context.Context, at history.Instant) (*state.World, error)
	Oldest(ctx context.Context) (history.Instant, error)
	Events(ctx context.Context, after uint64, emit func([]event.Event)) error
	Follow(ctx context.Context, after uint64, emit func([]event.Event)) error
}

func record(ctx context.Context, o *options, f *recordFlags, say io.Writer) (err error) {
	if f.maxSize < 1 || f.length < 0 {
		return fmt.Errorf("record: --max-size is %d MiB and --for is %v; use positive values", f.maxSize, f.length)
	}
	ctx, stop := untilInterrupt(ctx)
	defer stop()
	client, place, err := o.client()
	if err != nil {
		return err
	}
	var from source = client
	if _, err := client.Oldest(ctx); errors.Is(err, api.ErrNotRunning) {
		past, closePast, err := openPast(place)
		if err != nil {
			return err
		}
		defer closePast()
		from = past
	}
	base, err := baseWorld(ctx, from, f.since, say)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(f.output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("record: %s exists; choose another file or remove it", f.output)
	}
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w, err := recording.NewWriter(file, recording.Of(place.Name, buildVersion(), base, time.Now()), base, f.maxSize<<20)
	if err != nil {
		return errors.Join(err, os.Remove(f.output))
	}
	switch {
	case f.length > 0:
		fmt.Fprintf(say, "recording lab %s into %s for %v\n", place.Name, f.output, f.length)
		err = recordEvents(ctx, w, base.Seq, f.length, from.Follow)
	case f.since == "now":
		fmt.Fprintf(say, "recording lab %s into %s; ctrl+c ends it\n", place.Name, f.output)
		err = recordEvents(ctx, w, base.Seq, 0, from.Follow)
	default:
		err = recordEvents(ctx, w, base.Seq, 0, from.Events)
	}
	err = errors.Join(err, w.Close())
	events, size := w.Written()
	fmt.Fprintf(say, "%d events in %s of %s; show them with: workbench replay %s\n", events, widget.Bytes(size), f.output, f.output)
	return err
}

// flushEvery is what a killed recorder loses at most.
const flushEvery = time.Second

// recordEvents writes events until ctx ends, so much time has passed, or the file is full.
func recordEvents(ctx context.Context, w *recording.Writer, after uint64, length time.Duration, events func(context.Context, uint64, func([]event.Event)) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if length > 0 {
		timer := time.AfterFunc(length, func() { cancel(errRecorded) })
		defer timer.Stop()
	}
	flushed := time.Now()
	var writing error
	err := events(ctx, after, func(batch []event.Event) {
		if writing != nil {
			return
		}
		if writing = w.Write(batch); writing == nil && time.Since(flushed) > flushEvery {
			flushed, writing = time.Now(), w.Flush()
		}
		if writing != nil {
			cancel(writing)
		}
	})
	if errors.Is(writing, recording.ErrFull) {
		fmt.Fprintln(os.Stderr, "the file has reached --max-size: recording ends here")
		return nil
	}
	if writing != nil || ctx.Err() != nil {
		return writing // an end that was asked for is none
	}
	return err
}

var errRecorded = errors.New("recorded for as long as was asked for")

// baseWorld is the world that a recording begins with.
func baseWorld(ctx context.Context, from source, since string, say io.Writer) (*state.World, error) {
	now, err := from.World(ctx)
	if err != nil || since == "now" {
		return now, err
	}
	oldest, err := from.Oldest(ctx)
	if err != nil {
		return nil, err
	}
	if since == "all" {
		return from.At(ctx, oldest)
	}
	ago, err := time.ParseDuration(since)
	if err != nil || ago <= 0 {
		return nil, fmt.Errorf("record: --since %s: want now, all, or how long ago, such as 5m", since)
	}
	world, err := from.At(ctx, history.Instant{Time: now.Now.Add(-ago)})
	if tooOld := (*history.TooOldError)(nil); errors.As(err, &tooOld) {
		fmt.Fprintf(say, "the lab's history begins only %v ago: recording from there\n", now.Now.Sub(oldest.Time).Round(time.Second))
		return from.At(ctx, oldest)
	}
	return world, err
}

// stoppedLab is the past of a lab that is down.
type stoppedLab struct {
	*history.History
	journal *journal.Journal
}

// openPast opens the journal of a lab that is down.
func openPast(place layout.Lab) (past stoppedLab, closePast func(), err error) {
	if _, err := place.Load(); err != nil {
		return past, nil, fmt.Errorf("no lab %s; start it with: workbench up", place.Name)
	}
	j, err := journal.Open(place.Journal(), journal.Options{})
	if err != nil {
		return past, nil, err
	}
	h, err := history.Open(history.Config{Log: history.OfJournal(j), Dir: place.History()})
	if err != nil {
		return past, nil, errors.Join(err, j.Close())
	}
	return stoppedLab{h, j}, func() { _, _ = h.Close(), j.Close() }, nil
}

// World is the last one; there is nothing to record of the present.
func (s stoppedLab) World(ctx context.Context) (*state.World, error) {
	return s.At(ctx, history.Instant{Seq: s.journal.Last()})
}

// Events gives what the journal has after an event.
func (s stoppedLab) Events(ctx context.Context, after uint64, emit func([]event.Event)) error {
	reader := s.journal.Reader(after)
	defer reader.Close()
	for last := s.journal.Last(); after < last; {
		events, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		emit(events)
		after = events[len(events)-1].Seq
	}
	return nil
}

// Follow refuses: nothing happens in a lab that is down.
func (s stoppedLab) Follow(context.Context, uint64, func([]event.Event)) error {
	return fmt.Errorf("record: %w; what has happened is recorded with --since all", api.ErrNotRunning)
}

// buildVersion is the revision that this binary was built from.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) > 12 {
			return s.Value[:12]
		}
	}
	return info.Main.Version
}

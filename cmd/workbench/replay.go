package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"workbench/cluster/event"
	"workbench/cluster/history"
	"workbench/cluster/recording"
	"workbench/cluster/state"
	"workbench/ui"
	"workbench/ui/plain"
)

// replayFlags say how to play a recording.
type replayFlags struct {
	speed  float64
	at     string
	plain  bool
	output string
	theme  string
}

func replayCommand() *cobra.Command {
	f := &replayFlags{}
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Play a recording in the app, without a lab and without root",
		Long: `Play what record wrote, or the lines of events -o json. The app shows it as it
showed the lab: space pauses, , and . step, < and > jump between markers. With --plain
or -o json it is printed; --speed then prints at that pace.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			paced := cmd.Flags().Changed("speed")
			return replay(cmd.Context(), args[0], f, paced, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().Float64Var(&f.speed, "speed", 1, "from 0.1 to 100; 1 is as it happened")
	cmd.Flags().StringVar(&f.at, "at", "", "where to begin: a time such as 15:04:05, or how long after the start, such as 90s")
	cmd.Flags().BoolVar(&f.plain, "plain", false, "print lines in place of the app")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "json for the events themselves")
	cmd.Flags().StringVar(&f.theme, "theme", "", "colours of the app; see the palette in the app for all")
	return cmd
}

func replay(ctx context.Context, path string, f *replayFlags, paced bool, out, say io.Writer) error {
	if f.output != "" && f.output != "json" {
		return fmt.Errorf("-o %s: want json", f.output)
	}
	if f.speed < 0.1 || f.speed > 100 {
		return fmt.Errorf("replay: --speed %g: use 0.1 to 100", f.speed)
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	rec, err := recording.Open(file, info.Size())
	if err != nil {
		return fmt.Errorf("replay %s: %w", path, err)
	}
	if rec.Events() == 0 && rec.Damage != nil {
		return fmt.Errorf("replay %s: %w", path, rec.Damage)
	}
	start, err := startOf(ctx, rec)
	if err != nil {
		return fmt.Errorf("replay %s: %w", path, err)
	}
	at, err := parseAt(f.at, start)
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupt(ctx)
	defer stop()
	h, err := history.Open(history.Config{Log: rec, Base: rec.Base(), Every: stride(rec.Events()), MaxBytes: 16 << 20})
	if err != nil {
		return err
	}
	defer h.Close()
	if f.output == "" && !f.plain && term.IsTerminal(int(os.Stdout.Fd())) && term.IsTerminal(int(os.Stdin.Fd())) {
		err = replayApp(ctx, rec, h, f, start, at)
	} else {
		err = replayLines(ctx, rec, h, f, paced, at, out)
	}
	if ctx.Err() != nil {
		return nil // interrupted
	}
	if err == nil && rec.Why() != "" {
		fmt.Fprintln(say, "the recording ended since", rec.Why())
	}
	if err == nil && rec.Damage != nil {
		err = fmt.Errorf("replay %s: %w", path, rec.Damage)
	}
	return err
}

// stride is how many events are between the keyframes of a recording: enough for
// an instant to be quick, so few that they take little memory.
func stride(events uint64) int { return max(1000, int(events/200)) }

// startOf is when a recording begins.
func startOf(ctx context.Context, rec *recording.Recording) (time.Time, error) {
	if now := rec.Base().Now; !now.IsZero() {
		return now, nil
	}
	c := rec.Open(rec.First()-1, rec.First())
	defer c.Close()
	events, err := c.Next(ctx)
	if errors.Is(err, io.EOF) {
		return time.Time{}, nil // nothing happened
	}
	if err != nil {
		return time.Time{}, err
	}
	return events[0].Time, nil
}

// parseAt reads where to begin; zero is the start.
func parseAt(s string, start time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if after, err := time.ParseDuration(s); err == nil {
		return start.Add(after), nil
	}
	if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return at, nil
	}
	clock, err := time.Parse("15:04:05", s)
	if err != nil {
		return time.Time{}, fmt.Errorf("replay: --at %s: want a time such as 15:04:05 or 2026-01-02T15:04:05Z, or how long after the start, such as 90s", s)
	}
	day := start.Local()
	at := time.Date(day.Year(), day.Month(), day.Day(), clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), time.Local)
	if at.Before(start.Truncate(time.Second)) {
		at = at.AddDate(0, 0, 1) // past midnight
	}
	return at, nil
}

// replayLines prints a recording from an instant on.
func replayLines(ctx context.Context, rec *recording.Recording, h *history.History, f *replayFlags, paced bool, at time.Time, out io.Writer) error {
	base, err := rec.Base().Clone(), error(nil)
	if !at.IsZero() {
		if base, err = h.At(ctx, history.Instant{Time: at}); err != nil {
			return err
		}
	}
	lines, enc := plain.NewWriter(out, base), json.NewEncoder(out)
	if f.output == "" && base.Topology.Name != "" {
		t := base.Topology
		if _, err := fmt.Fprintf(out, "lab %s  Kubernetes %s  %d nodes  %s\n", t.Name, t.KubernetesVersion, len(t.Nodes), base.Phase); err != nil {
			return err
		}
	}
	pace := pacer{speed: f.speed, last: base.Now}
	c := rec.Open(base.Seq, rec.Last())
	defer c.Close()
	for {
		events, err := c.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, e := range events {
			if paced {
				if err := pace.wait(ctx, e.Time); err != nil {
					return err
				}
			}
			if f.output == "json" {
				err = enc.Encode(e)
			} else {
				err = lines.Write([]event.Event{e})
			}
			if err != nil {
				return err
			}
		}
	}
}

// pacer lets time pass between events as it did.
type pacer struct {
	speed float64
	last  time.Time
}

func (p *pacer) wait(ctx context.Context, at time.Time) error {
	gap := at.Sub(p.last)
	if p.last.IsZero() {
		gap = 0
	}
	if gap <= 0 {
		return nil
	}
	p.last = at
	timer := time.NewTimer(time.Duration(float64(gap) / p.speed))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// replayApp shows a recording in the app.
func replayApp(ctx context.Context, rec *recording.Recording, h *history.History, f *replayFlags, start, at time.Time) error {
	said := time.Now()
	done := uint64(0)
	final, err := h.Fold(ctx, func(event.Event) {
		if done++; done%1000 == 0 && time.Since(said) > time.Second {
			said = time.Now()
			fmt.Fprintf(os.Stderr, "\rreading the recording: %d %%", 100*done/rec.Events())
		}
	})
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the workbench binary: %w", err)
	}
	cfg := ui.Config{
		Backend: recorded{h, final, self}, Theme: f.theme, NoColor: os.Getenv("NO_COLOR") != "",
		Replay: &ui.Replay{Start: start, At: at, Speed: f.speed},
	}
	if rec.Damage != nil {
		cfg.Replay.Notice = rec.Damage.Error()
	}
	_, err = openApp(ctx, cfg)
	return err
}

// recorded is a recording as the app's backend.
type recorded struct {
	*history.History
	final *state.World
	self  string
}

// World implements ui.Backend.
func (r recorded) World(context.Context) (*state.World, error) { return r.final, nil }

// Follow implements ui.Backend: nothing more happens.
func (r recorded) Follow(ctx context.Context, _ uint64, _ func([]event.Event)) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// Act implements ui.Backend.
func (r recorded) Act(context.Context, string, string) error {
	return errors.New("this is a recording: there is no lab to act on")
}

// Command implements ui.Backend; the app runs none for a recording.
func (r recorded) Command(args ...string) *exec.Cmd { return exec.Command(r.self, args...) }

package campaign

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"workbench/cluster/event"
)

// Result is what a campaign did and found.
type Result struct {
	// Phase is how it ended: passed, failed, aborted.
	Phase event.ScenarioPhase `json:"phase"`
	Seed  uint64              `json:"seed"`
	// Asked faults, and how many were run, verified to have landed, and could not
	// be verified.
	Asked        int `json:"asked"`
	Faults       int `json:"faults"`
	Landed       int `json:"landed"`
	Inconclusive int `json:"inconclusive"`
	// Unverified are those that could not be verified, each with its evidence.
	Unverified []string `json:"unverified,omitempty"`
	// Converge are times from the heal until all of the lab was up and every probe
	// succeeded, in ms.
	Converge Times `json:"convergeMs"`
	// Acknowledged writes, and those whose outcome is unknown.
	Acknowledged int64 `json:"acknowledged"`
	Unknown      int64 `json:"unknown"`
	// Found is what the verifications found, in all.
	Found Finding `json:"found"`
	// Leaks are what is left of the campaign.
	Leaks []string `json:"leaks"`
	// Violation is what stopped it; "" when nothing did.
	Violation string  `json:"violation,omitempty"`
	Seconds   float64 `json:"seconds"`

	converged []time.Duration
}

// Times are quantiles, in ms.
type Times struct {
	P50 int64 `json:"p50"`
	P99 int64 `json:"p99"`
	Max int64 `json:"max"`
}

// times are the quantiles of durations: the smallest of them that so many do not
// exceed.
func times(all []time.Duration) Times {
	if len(all) == 0 {
		return Times{}
	}
	sorted := slices.Sorted(slices.Values(all))
	at := func(q float64) int64 {
		return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)].Milliseconds()
	}
	return Times{at(0.5), at(0.99), at(1)}
}

func (r *Result) add(f Finding) {
	r.Found.Registers += f.Registers
	r.Found.Made += f.Made
	r.Found.Lost = append(r.Found.Lost, f.Lost...)
	r.Found.Strays = append(r.Found.Strays, f.Strays...)
	r.Found.Violations = append(r.Found.Violations, f.Violations...)
	r.Found.Undecided = append(r.Found.Undecided, f.Undecided...)
}

func (r *Result) finish(took time.Duration) {
	r.Converge, r.Seconds = times(r.converged), took.Round(time.Millisecond).Seconds()
	if r.Leaks == nil {
		r.Leaks = []string{}
	}
}

// OK says that what was written is as it must be.
func (r *Result) OK() bool { return r.Found.OK() }

// Line is the result in a line.
func (r *Result) Line() string {
	return fmt.Sprintf("%d faults, %d landed, converged in p50 %d ms, p99 %d ms, max %d ms; %d writes acknowledged, %d lost; %d leaks",
		r.Faults, r.Landed, r.Converge.P50, r.Converge.P99, r.Converge.Max, r.Acknowledged, len(r.Found.Lost), len(r.Leaks))
}

// WriteText writes the result for people.
func (r *Result) WriteText(w io.Writer) error {
	_, err := fmt.Fprintf(w, `campaign %s after %.1f s, seed %d
faults              %d run, %d landed, %d inconclusive
convergence         p50 %d ms, p99 %d ms, max %d ms
writes              %d acknowledged, %d of unknown outcome
lost writes         %d
not linearizable    %d of %d registers, %d undecided
strays              %d
leaks               %d
`, r.Phase, r.Seconds, r.Seed, r.Faults, r.Landed, r.Inconclusive, r.Converge.P50, r.Converge.P99, r.Converge.Max, r.Acknowledged, r.Unknown,
		len(r.Found.Lost), len(r.Found.Violations), r.Found.Registers, len(r.Found.Undecided), len(r.Found.Strays), len(r.Leaks))
	for _, one := range r.Unverified {
		if err == nil {
			_, err = fmt.Fprintf(w, "inconclusive        %s\n", one)
		}
	}
	return err
}

// WriteJSON writes the result for programs.
func (r *Result) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

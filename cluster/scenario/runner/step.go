package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"workbench/cluster/api"
	"workbench/cluster/event"
	"workbench/cluster/fault"
	"workbench/cluster/mirror"
	"workbench/cluster/scenario"
	"workbench/cluster/state"
)

// step does one step and tells its begin and its end.
func (r *run) step(ctx context.Context, i int, s scenario.Step) error {
	text, err := r.bind(s.String())
	if err != nil {
		text = s.String()
	}
	began := time.Now()
	told := event.ScenarioStep{Run: r.id, Index: i, Text: text, Outcome: event.ScenarioBegan}
	if tellErr := r.Lab.Tell(ctx, told); tellErr != nil {
		return fmt.Errorf("record step %d: %w", i+1, tellErr)
	}
	detail := ""
	if err == nil {
		detail, err = r.do(ctx, s)
	}
	told.Took, told.Outcome, told.Detail = time.Since(began), event.ScenarioDone, detail
	sign := "  "
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		told.Outcome, sign = event.ScenarioCut, "? "
	case err != nil:
		told.Outcome, told.Detail, sign = event.ScenarioBroke, err.Error(), "✗ "
	case s.Expect != "":
		told.Outcome, sign = event.ScenarioHeld, "✓ "
	}
	line := fmt.Sprintf("%6.1fs  %s%s  (%s)", time.Since(r.began).Seconds(), sign, text, told.Took.Round(time.Millisecond))
	if told.Detail != "" {
		line += "\n           " + strings.ReplaceAll(told.Detail, "\n", "\n           ")
	}
	r.Say(line)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendWithin)
	defer cancel()
	if tellErr := r.Lab.Tell(last, told); err == nil && tellErr != nil {
		err = fmt.Errorf("record the step: %w", tellErr)
	}
	if err != nil {
		return fmt.Errorf("step %d: %s: %w", i+1, text, err)
	}
	return nil
}

// bind replaces the roles in a text by what plays them now, or did when they were
// first named.
func (r *run) bind(text string) (out string, err error) {
	r.world.See(func(w *state.World) { out, err = r.roles.Bind(text, w) })
	return out, err
}

// do waits as the step says, and does it; detail is what came of it.
func (r *run) do(ctx context.Context, s scenario.Step) (detail string, err error) {
	if d, err := time.ParseDuration(s.After); err == nil {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	if s.When != "" {
		if err := r.expect(ctx, s.When, r.Scenario.Timeout()); err != nil {
			return "", err
		}
	}
	a := s.Action()
	text, err := r.bind(a.Text)
	if err != nil {
		return "", err
	}
	if a.Verb != scenario.Expect && a.Verb != "" {
		r.rebase()
	}
	words := strings.Fields(text)
	switch a.Verb {
	case scenario.Expect:
		return "", r.expect(ctx, text, 0)
	case scenario.Fault:
		return r.inject(ctx, text, s.As)
	case scenario.Heal:
		return r.heal(ctx, words)
	case scenario.Apply:
		return "", r.apply(ctx, a.Text)
	case scenario.Act:
		return "", r.Lab.Act(ctx, api.Request{Verb: words[0], Target: words[1]})
	case scenario.Scale:
		return "", r.kubectl(ctx, words[0], "scale", "--replicas="+words[1])
	case scenario.SetImage:
		return "", r.kubectl(ctx, words[0], "set", "image", words[1])
	case scenario.Rollout:
		return "", r.kubectl(ctx, words[1], "rollout", words[0])
	case scenario.Kubectl:
		return "", r.Kubectl(ctx, "", words...)
	}
	return "", nil
}

// kubectl runs a verb on a Deployment; the words of `set image` go around it.
func (r *run) kubectl(ctx context.Context, target string, verb ...string) error {
	namespace, name, _ := strings.Cut(target, "/")
	args := []string{"--namespace", namespace}
	if verb[0] == "set" {
		args = append(args, "set", "image", "deployment/"+name, verb[2])
	} else {
		args = append(append(args, verb...), "deployment/"+name)
	}
	return r.Kubectl(ctx, "", args...)
}

func (r *run) apply(ctx context.Context, manifests string) error {
	r.applied = append(r.applied, manifests)
	return r.Kubectl(ctx, manifests, "apply", "-f", "-")
}

// inject begins a fault, which has to land. It ends with the run, and lasts no
// longer than the scenario may.
func (r *run) inject(ctx context.Context, text, name string) (string, error) {
	kind, _, _ := strings.Cut(text, " ")
	if k, _ := fault.KindOf(kind); !k.Once && !strings.Contains(text, "--for") {
		text += " --for " + r.Scenario.Timeout().String()
	}
	f, err := r.Lab.Inject(ctx, api.FaultRequest{Text: text, Owner: r.Owner, Run: r.id, Yes: true})
	if err != nil {
		return "", err
	}
	r.faults = append(r.faults, f.ID)
	if name != "" {
		r.named[name] = f.ID
	}
	return r.landed(ctx, f.ID)
}

// landed waits for the verdict on a fault and refuses a mismatch.
func (r *run) landed(ctx context.Context, id string) (string, error) {
	found, err := Verdict(ctx, r.world, id)
	if err != nil {
		return "", err
	}
	evidence := strings.Join(append([]string{id + " " + string(found.Verdict)}, found.Evidence...), "\n")
	if found.Verdict == event.FaultMismatch {
		return "", fmt.Errorf("the fault did not land: %s", evidence)
	}
	return evidence, nil
}

// Verdict waits until a fault was verified, or has ended without.
func Verdict(ctx context.Context, world *mirror.Mirror, id string) (found state.Fault, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, verdictWithin, fmt.Errorf("no verdict on %s within %v", id, verdictWithin))
	defer cancel()
	err = world.Await(ctx, func(w *state.World) bool {
		f := w.Faults.Find(id)
		if f == nil || f.Verdict == "" && f.EndedAt.IsZero() {
			return false
		}
		found = *f
		return true
	})
	return found, err
}

// heal ends faults by the names the file gave them.
func (r *run) heal(ctx context.Context, names []string) (string, error) {
	var healed []string
	for _, name := range names {
		req := api.HealRequest{ID: r.named[name]}
		if name == "all" {
			req = api.HealRequest{All: true}
		}
		h, err := r.Lab.Heal(ctx, req)
		if err != nil {
			return "", err
		}
		healed = append(healed, h.IDs...)
	}
	return "healed " + strings.Join(healed, " "), nil
}

package state

import (
	"strings"
	"time"

	"workbench/cluster/event"
)

// Scenario is the last run of a scenario or a campaign.
type Scenario struct {
	event.ScenarioState
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended,omitzero"`
	// Done are the steps that began, oldest first; at most MaxScenarioSteps.
	Done []ScenarioStep `json:"done,omitempty"`
}

// ScenarioStep is a step that began.
type ScenarioStep struct {
	event.ScenarioStep
	At time.Time `json:"at"`
}

// Campaign is the name of a run that is not of a scenario.
const Campaign = "campaign"

// Runs says that the scenario or the campaign has not ended.
func (s *Scenario) Runs() bool { return s != nil && s.Phase == event.ScenarioRunning }

// MaxScenarioSteps bounds the steps of a run that a world keeps.
const MaxScenarioSteps = 64

func (w *World) applyScenario(at time.Time, body event.Body) {
	switch b := body.(type) {
	case event.ScenarioState:
		if b.Phase == event.ScenarioRunning || w.Scenario == nil || w.Scenario.Run != b.Run {
			w.Scenario = &Scenario{Began: at}
		}
		w.Scenario.ScenarioState = b
		if b.Phase != event.ScenarioRunning {
			w.Scenario.Ended = at
		}
	case event.ScenarioStep:
		s := w.Scenario
		if s == nil || s.Run != b.Run {
			return
		}
		if n := len(s.Done); n > 0 && s.Done[n-1].Index == b.Index && b.Outcome != event.ScenarioBegan {
			s.Done[n-1].ScenarioStep = b
			return
		}
		s.Done = bounded(append(s.Done, ScenarioStep{ScenarioStep: b, At: at}), MaxScenarioSteps)
	}
}

// scenarioChanges marks what a run does: its begin and end, its steps as they
// begin, and those that failed.
func (w *World) scenarioChanges(m Mark, body event.Body) {
	switch b := body.(type) {
	case event.ScenarioState:
		m.Class, m.Key = string(b.Phase), true
		w.Timeline.change(LaneScenario, m, func() string { return clip(strings.TrimSpace(b.Name + " " + string(b.Phase) + " " + b.Detail)) })
	case event.ScenarioStep:
		switch b.Outcome {
		case event.ScenarioBegan:
			m.Class = "step"
		case event.ScenarioBroke:
			m.Class, m.Key = "failed", true
		default:
			return
		}
		w.Timeline.change(LaneScenario, m, func() string { return clip(strings.TrimSpace(b.Text + " " + b.Detail)) })
	}
}

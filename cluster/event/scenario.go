package event

import "time"

func init() {
	register[ScenarioState]()
	register[ScenarioStep]()
}

// ScenarioPhase is how a run of a scenario or of a campaign stands.
type ScenarioPhase string

// The phases of a run.
const (
	ScenarioRunning ScenarioPhase = "running"
	ScenarioPassed  ScenarioPhase = "passed"  // all expectations held
	ScenarioFailed  ScenarioPhase = "failed"  // one did not, or a step could not be done
	ScenarioAborted ScenarioPhase = "aborted" // by who ran it
)

// ScenarioState says how a run of a scenario stands. Runs are told by who runs
// them, a client of the supervisor.
type ScenarioState struct {
	// Run is the run's name, such as leader-loss-150405.
	Run   string        `json:"run"`
	Name  string        `json:"name"` // of the scenario, or campaign
	Title string        `json:"title,omitempty"`
	Phase ScenarioPhase `json:"phase"`
	// Steps is how many there are.
	Steps  int    `json:"steps,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Owner is who runs it.
	Owner string `json:"owner,omitempty"`
}

// StepOutcome is what came of a step of a run.
type StepOutcome string

// The outcomes of a step.
const (
	ScenarioBegan StepOutcome = "began"
	ScenarioDone  StepOutcome = "done"
	ScenarioHeld  StepOutcome = "held"      // an expectation did
	ScenarioBroke StepOutcome = "failed"    // an expectation did not hold, an action was refused
	ScenarioCut   StepOutcome = "cut short" // the run was aborted
)

// ScenarioStep is the begin or the end of one step of a run.
type ScenarioStep struct {
	Run string `json:"run"`
	// Index is the step's place, from 0.
	Index int `json:"index"`
	// Text is the step as its file has it, roles replaced by names.
	Text    string        `json:"text"`
	Outcome StepOutcome   `json:"outcome"`
	Detail  string        `json:"detail,omitempty"`
	Took    time.Duration `json:"took,omitempty"`
}

// Type implements Body.
func (ScenarioState) Type() string { return "scenario.state" }

// Type implements Body.
func (ScenarioStep) Type() string { return "scenario.step" }

func (ScenarioState) sealed() {}
func (ScenarioStep) sealed()  {}

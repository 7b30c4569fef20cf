// Package scenario is the pure core of scenarios: files of steps that break a lab
// on purpose and say what is expected to follow.
//
//	file --Load--> Scenario --Bind(world)--> roles replaced by names
//	"leader changed within 10s" --ParseExpectation--> Expectation --Check(view)--> held, or why not
//
// It knows no clock and does no I/O but reading the file; package runner carries
// scenarios out. The command line and the app share it.
package scenario

// Kind is the kind of file.
const Kind = "Scenario"

// Scenario is a whole file.
type Scenario struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Metadata identifies a scenario.
type Metadata struct {
	// Name is a DNS-1123 label.
	Name string `json:"name"`
	// Title says in a few words what happens.
	Title string `json:"title"`
}

// Spec says what happens.
type Spec struct {
	// Description says what is to be seen, in sentences.
	Description string `json:"description"`
	// Needs is the smallest lab that will do.
	Needs Needs `json:"needs"`
	// Timeout bounds the whole run, such as 5m; "" is DefaultTimeout.
	Timeout string `json:"timeout"`
	// Workload is manifests that are applied before the first step, waited for,
	// and deleted after the last.
	Workload string `json:"workload"`
	Steps    []Step `json:"steps"`
}

// Needs is the size of the smallest lab that will do.
type Needs struct {
	ControlPlanes int `json:"controlPlanes"`
	Workers       int `json:"workers"`
}

// Step is one step: it waits After and for When, then does the one action, or
// checks the one expectation, that it has.
type Step struct {
	// After is how long it waits first, such as 5s.
	After string `json:"after"`
	// When is a condition it waits for; with "within 30s" at most so long.
	When string `json:"when"`

	// Apply is manifests.
	Apply string `json:"apply"`
	// Fault is a fault in the grammar of `workbench fault`; As names it.
	Fault string `json:"fault"`
	As    string `json:"as"`
	// Heal is all, or names that As gave.
	Heal string `json:"heal"`
	// Act is a verb and a target, such as "component.restart c1/kubelet".
	Act string `json:"act"`
	// Scale is "NAMESPACE/DEPLOYMENT REPLICAS".
	Scale string `json:"scale"`
	// SetImage is "NAMESPACE/DEPLOYMENT CONTAINER=IMAGE".
	SetImage string `json:"setImage"`
	// Rollout is "restart NAMESPACE/DEPLOYMENT" or "undo NAMESPACE/DEPLOYMENT".
	Rollout string `json:"rollout"`
	// Kubectl is arguments of kubectl.
	Kubectl string `json:"kubectl"`
	// Expect is a condition, with "within 30s" or "for 10s".
	Expect string `json:"expect"`
}

// The actions of a step, by their keys in the file.
const (
	Apply    = "apply"
	Fault    = "fault"
	Heal     = "heal"
	Act      = "act"
	Scale    = "scale"
	SetImage = "setImage"
	Rollout  = "rollout"
	Kubectl  = "kubectl"
	Expect   = "expect"
)

// Action is what a step does.
type Action struct{ Verb, Text string }

// Actions are those that a step has, in the order of the schema: a valid step has
// one, or none when it only waits.
func (s Step) Actions() []Action {
	var out []Action
	for _, a := range []Action{
		{Apply, s.Apply}, {Fault, s.Fault}, {Heal, s.Heal}, {Act, s.Act}, {Scale, s.Scale}, {SetImage, s.SetImage},
		{Rollout, s.Rollout}, {Kubectl, s.Kubectl}, {Expect, s.Expect},
	} {
		if a.Text != "" {
			out = append(out, a)
		}
	}
	return out
}

// Action is the one that the step has; zero when it only waits.
func (s Step) Action() Action {
	if all := s.Actions(); len(all) > 0 {
		return all[0]
	}
	return Action{}
}

// String is the step in a line.
func (s Step) String() string {
	text := ""
	add := func(word, value string) {
		if value == "" {
			return
		}
		if text != "" {
			text += ", "
		}
		text += word + " " + value
	}
	add("after", s.After)
	add("when", s.When)
	switch a := s.Action(); a.Verb {
	case "":
	case Apply:
		add(Apply, "manifests")
	default:
		add(a.Verb, a.Text)
	}
	return text
}

// Faults are the texts of all faults, in order.
func (s Scenario) Faults() []string {
	var out []string
	for _, step := range s.Spec.Steps {
		if step.Fault != "" {
			out = append(out, step.Fault)
		}
	}
	return out
}

package scenario

import (
	_ "embed"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"workbench/cluster/fault"
	"workbench/cluster/spec"
)

// DefaultTimeout bounds a run whose file does not.
const DefaultTimeout = 5 * time.Minute

//go:embed schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of the file, for editors. Load knows
// more.
func Schema() []byte { return slices.Clone(schema) }

// Load reads a scenario. The file's name is for messages only. The error is
// spec.Problems, with lines and remedies, when the file is wrong.
func Load(file string, r io.Reader) (Scenario, error) {
	var s Scenario
	doc, err := spec.Read(file, Kind, r, &s)
	if err != nil {
		return Scenario{}, err
	}
	c := checker{Document: doc, named: map[string]bool{}}
	doc.Identity(s.APIVersion, s.Kind, Kind)
	doc.Name(s.Metadata.Name)
	c.check(s.Spec)
	if err := doc.Err(); err != nil {
		return Scenario{}, err
	}
	return s, nil
}

// Timeout is the bound of a run.
func (s Scenario) Timeout() time.Duration {
	if d, err := time.ParseDuration(s.Spec.Timeout); err == nil {
		return d
	}
	return DefaultTimeout
}

// checker refuses what is wrong with a decoded scenario.
type checker struct {
	*spec.Document
	named map[string]bool // faults named so far
}

func (c *checker) check(s Spec) {
	at := []string{"spec"}
	in := func(key string) []string { return append(slices.Clone(at), key) }
	c.duration(in("timeout"), s.Timeout)
	if s.Needs.ControlPlanes < 0 || s.Needs.Workers < 0 {
		c.Refuse(in("needs"), "a lab cannot have fewer than 0 nodes", "write how many it must have at least")
	}
	if len(s.Steps) == 0 {
		c.Refuse(in("steps"), "there are no steps", "write a list of steps, such as\n  - fault: kill ${leader}\n  - expect: leader changed within 30s")
	}
	for i, step := range s.Steps {
		c.step(append(in("steps"), "["+strconv.Itoa(i)+"]"), step)
	}
}

func (c *checker) duration(place []string, text string) {
	if text == "" {
		return
	}
	if d, err := time.ParseDuration(text); err != nil || d <= 0 {
		c.Refuse(place, fmt.Sprintf("%q is no duration", text), "write such as 500ms, 5s or 2m")
	}
}

func (c *checker) step(at []string, s Step) {
	in := func(key string) []string { return append(slices.Clone(at), key) }
	c.duration(in("after"), s.After)
	if s.When != "" {
		c.condition(in("when"), s.When, true)
	}
	actions := s.Actions()
	switch {
	case len(actions) > 1:
		c.Refuse(in(actions[1].Verb), "a step does one thing, this one has "+actions[0].Verb+" already", "begin a step of its own with a dash")
	case len(actions) == 0 && s.After == "" && s.When == "":
		c.Refuse(at, "the step does nothing", "give it an action, such as fault, or an expectation: expect")
	}
	if s.As != "" && s.Fault == "" {
		c.Refuse(in("as"), "names a fault, and the step has none", "remove it")
	}
	if len(actions) == 1 {
		c.action(in, actions[0], s)
	}
}

func (c *checker) action(in func(string) []string, a Action, s Step) {
	place := in(a.Verb)
	if a.Verb != Apply {
		if _, err := substitute(a.Text, placeholder); err != nil {
			c.Refuse(place, err.Error(), "roles are "+roleNames())
			return
		}
	}
	words := strings.Fields(a.Text)
	switch a.Verb {
	case Fault:
		text, _ := substitute(a.Text, placeholder)
		if _, err := fault.Parse(text); err != nil {
			what, remedy, _ := strings.Cut(err.Error(), "; ")
			c.Refuse(place, what, remedy)
		}
		if c.named[s.As] && s.As != "" {
			c.Refuse(in("as"), fmt.Sprintf("there is a fault named %q already", s.As), "choose another name")
		}
		c.named[s.As] = true
	case Heal:
		for _, name := range words {
			if name != "all" && !c.named[name] {
				c.Refuse(place, fmt.Sprintf("no fault before is named %q", name), "write all, or give the fault a name with as:")
			}
		}
	case Act:
		if len(words) != 2 || !strings.Contains(words[0], ".") {
			c.Refuse(place, fmt.Sprintf("%q is no action", a.Text), "write a verb and a target, such as component.restart c1/kube-scheduler")
		}
	case Scale:
		if n := len(words); n != 2 || !workload.MatchString(words[0]) || !number.MatchString(words[1]) {
			c.Refuse(place, fmt.Sprintf("%q is no scaling", a.Text), "write NAMESPACE/DEPLOYMENT REPLICAS, such as demo/web 4")
		}
	case SetImage:
		if n := len(words); n != 2 || !workload.MatchString(words[0]) || !strings.Contains(words[1], "=") {
			c.Refuse(place, fmt.Sprintf("%q sets no image", a.Text), "write NAMESPACE/DEPLOYMENT CONTAINER=IMAGE")
		}
	case Rollout:
		if n := len(words); n != 2 || words[0] != "restart" && words[0] != "undo" || !workload.MatchString(words[1]) {
			c.Refuse(place, fmt.Sprintf("%q is no rollout", a.Text), "write restart NAMESPACE/DEPLOYMENT or undo NAMESPACE/DEPLOYMENT")
		}
	case Expect:
		c.condition(place, a.Text, false)
	}
}

var (
	workload = regexp.MustCompile(`^[a-z0-9][-a-z0-9.]*/[a-z0-9][-a-z0-9.]*$`)
	number   = regexp.MustCompile(`^[0-9]{1,4}$`)
)

func (c *checker) condition(place []string, text string, waits bool) {
	plain, err := substitute(text, placeholder)
	if err != nil {
		c.Refuse(place, err.Error(), "roles are "+roleNames())
		return
	}
	e, err := ParseExpectation(plain)
	switch {
	case err != nil:
		what, remedy, _ := strings.Cut(err.Error(), "; ")
		c.Refuse(place, what, remedy)
	case waits && e.For > 0:
		c.Refuse(place, "a step waits for something, it cannot wait during it", "write for with expect")
	}
}

package plan

import "fmt"

// Join is what brings one of the plan's nodes into the lab while it runs: its own
// steps of the boot, after its root and its certificates. What they come after in
// a boot, and is not among them, is there already.
func (p Plan) Join(name string) ([]Step, error) {
	steps := []Step{
		{ID: name + "/root", Kind: StepRoot, Title: "Prepare the file system of " + name, Node: name},
		{ID: "pki", Kind: StepPKI, Title: "Issue certificates of " + name, After: []string{name + "/root"}},
	}
	own := 0
	for _, s := range p.Steps {
		if s.Node != name {
			continue
		}
		own++
		if s.Kind == StepStore {
			s.After = []string{name + "/root"}
		}
		steps = append(steps, s)
	}
	if own == 0 {
		return nil, fmt.Errorf("plan the start of %s: no such node", name)
	}
	return steps, nil
}

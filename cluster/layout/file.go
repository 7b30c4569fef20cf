package layout

import (
	"encoding/json"
	"fmt"
	"os"

	"workbench/cluster/spec"
)

// Saved is what a lab's file holds: all that the next `up` needs.
type Saved struct {
	Lab     spec.Lab `json:"lab"`
	APIPort int      `json:"apiPort"`
	// Nodes are the lab's nodes where they changed after the first boot.
	Nodes *spec.Set `json:"nodes,omitempty"`
}

// Load reads the lab's file; an error matches fs.ErrNotExist where there is none.
func (l Lab) Load() (Saved, error) {
	raw, err := os.ReadFile(l.File())
	if err != nil {
		return Saved{}, fmt.Errorf("read lab %s: %w", l.Name, err)
	}
	var s Saved
	if err := json.Unmarshal(raw, &s); err != nil {
		return Saved{}, fmt.Errorf("read lab %s: %s: %w; `workbench down --purge` removes the lab", l.Name, l.File(), err)
	}
	s.Lab = s.Lab.With(s.Nodes)
	return s, nil
}

// Save writes the lab's file.
func (l Lab) Save(s Saved) error {
	s.Nodes = s.Lab.Set()
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write lab %s: %w", l.Name, err)
	}
	if err := os.MkdirAll(l.Dir(), 0o700); err != nil {
		return fmt.Errorf("write lab %s: %w", l.Name, err)
	}
	return WriteFile(l.File(), append(raw, '\n'), 0o600)
}

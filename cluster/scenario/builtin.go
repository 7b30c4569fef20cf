package scenario

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"slices"
	"strings"
)

//go:embed builtin/*.yaml
var files embed.FS

// Builtin are the scenarios that are built in, in the order of their files.
func Builtin() ([]Scenario, error) {
	entries, err := files.ReadDir("builtin")
	if err != nil {
		return nil, err
	}
	var out []Scenario
	for _, e := range entries {
		raw, err := files.ReadFile("builtin/" + e.Name())
		if err != nil {
			return nil, err
		}
		s, err := Load(e.Name(), bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Names are the names of those that are built in.
func Names() []string {
	entries, err := files.ReadDir("builtin")
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		_, name, _ := strings.Cut(strings.TrimSuffix(e.Name(), ".yaml"), "-")
		out = append(out, name)
	}
	return out
}

// Source is the text of a scenario: one that is built in, by its name, else a
// file.
func Source(name string) ([]byte, error) {
	if i := slices.Index(Names(), name); i >= 0 {
		return files.ReadFile(fmt.Sprintf("builtin/%02d-%s.yaml", i+1, name))
	}
	raw, err := os.ReadFile(name)
	if err != nil && !strings.ContainsAny(name, "/.") {
		return nil, fmt.Errorf("no scenario %q: there is no such file, and built in are %s", name, strings.Join(Names(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	return raw, nil
}

// Find loads a scenario: one that is built in, by its name, else a file.
func Find(name string) (Scenario, error) {
	raw, err := Source(name)
	if err != nil {
		return Scenario{}, err
	}
	return Load(name, bytes.NewReader(raw))
}

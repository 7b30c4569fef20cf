package themes

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed palettes/*.json
var palettes embed.FS

// Theme is one palette as read from its file.
type Theme struct {
	// Name is what a user types; it is the file's name.
	Name string `json:"-"`
	// Title says in words what the theme is for.
	Title string `json:"title"`
	// Order places the theme when a user steps through them.
	Order int `json:"order"`
	// Mono themes have no colour at all: the terminal's own two are used, and
	// Attributes carry what colours do elsewhere.
	Mono bool `json:"mono,omitempty"`
	// ColorBlind themes are also checked as people without red or without green
	// receptors see them.
	ColorBlind bool `json:"colorBlind,omitempty"`
	// Colors are #rrggbb by role.
	Colors map[Role]string `json:"colors,omitempty"`
	// Attributes are bold, faint, italic, underline, reverse by role.
	Attributes map[Role][]string `json:"attributes,omitempty"`
}

// All are the built-in themes in their order. An error means that a built-in
// palette is not valid, which the package's tests rule out.
func All() ([]Theme, error) { return load(palettes, "palettes") }

// Find is the built-in theme of that name; "" is the first.
func Find(name string) (Theme, error) {
	all, err := All()
	if err != nil {
		return Theme{}, err
	}
	if name == "" {
		return all[0], nil
	}
	i := slices.IndexFunc(all, func(t Theme) bool { return t.Name == name })
	if i < 0 {
		return Theme{}, fmt.Errorf("theme %q: there is no such theme; there are %s", name, strings.Join(names(all), ", "))
	}
	return all[i], nil
}

// Names are the names of the built-in themes in their order.
func Names() ([]string, error) {
	all, err := All()
	return names(all), err
}

func names(all []Theme) []string {
	out := make([]string, 0, len(all))
	for _, t := range all {
		out = append(out, t.Name)
	}
	return out
}

func load(files fs.FS, dir string) ([]Theme, error) {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil, fmt.Errorf("list themes: %w", err)
	}
	var all []Theme
	for _, e := range entries {
		data, err := fs.ReadFile(files, path.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read theme %s: %w", e.Name(), err)
		}
		t, err := Parse(strings.TrimSuffix(e.Name(), ".json"), data)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Theme) int { return a.Order - b.Order })
	return all, nil
}

// Parse reads and validates a palette.
func Parse(name string, data []byte) (Theme, error) {
	t := Theme{}
	if err := json.Unmarshal(data, &t); err != nil {
		return Theme{}, fmt.Errorf("parse theme %s: %w", name, err)
	}
	t.Name = name
	if err := t.validate(); err != nil {
		return Theme{}, fmt.Errorf("theme %s: %w", name, err)
	}
	return t, nil
}

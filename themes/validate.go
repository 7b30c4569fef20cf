package themes

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The bounds a palette keeps.
const (
	minContrast   = 4.5 // of text, as WCAG AA asks
	minDecoration = 1.4 // of rules and borders
	minDistance   = 17  // between two state colours, CIE76
	minBlind      = 10  // the same as a colour-blind eye sees them
)

func (t Theme) validate() error {
	if t.Title == "" {
		return errors.New("it has no title")
	}
	if err := t.validateAttributes(); err != nil {
		return err
	}
	if t.Mono {
		return t.validateMono()
	}
	colors := map[Role]rgb{}
	for _, role := range Roles() {
		c, err := parseColor(t.Colors[role])
		if err != nil {
			return fmt.Errorf("role %s: %w", role, err)
		}
		colors[role] = c
	}
	if len(t.Colors) != len(Roles()) {
		return fmt.Errorf("it has %d colours for %d roles; remove what is no role", len(t.Colors), len(Roles()))
	}
	return errors.Join(checkContrast(colors), checkDistinct(colors, t.ColorBlind))
}

func checkContrast(c map[Role]rgb) error {
	var errs []error
	need := func(fg, bg Role, least float64) {
		if got := contrast(c[fg], c[bg]); got < least {
			errs = append(errs, fmt.Errorf("%s on %s has contrast %.2f; at least %.1f is needed", fg, bg, got, least))
		}
	}
	for _, role := range readable() {
		need(role, Background, minContrast)
		need(role, Surface, minContrast)
	}
	need(Text, Selection, minContrast)
	need(SelectionText, Selection, minContrast)
	need(Background, Accent, minContrast)
	for _, role := range []Role{OK, Busy, Warn, Bad, Paused} {
		need(role, Selection, 3) // bold marks on the selected row
		need(Background, role, minContrast)
	}
	for _, role := range []Role{Faint, Border, Focus} {
		need(role, Background, minDecoration)
	}
	return errors.Join(errs...)
}

func checkDistinct(c map[Role]rgb, blind bool) error {
	var errs []error
	for _, group := range states() {
		for i, a := range group {
			for _, b := range group[i+1:] {
				if d := distance(c[a], c[b]); d < minDistance {
					errs = append(errs, fmt.Errorf("%s and %s look alike: distance %.1f; at least %d is needed", a, b, d, minDistance))
				}
				if !blind {
					continue
				}
				for name, v := range visions() {
					if d := distance(v.see(c[a]), v.see(c[b])); d < minBlind {
						errs = append(errs, fmt.Errorf("%s and %s look alike %s: distance %.1f; at least %d is needed", a, b, name, d, minBlind))
					}
				}
			}
		}
	}
	return errors.Join(errs...)
}

func (t Theme) validateAttributes() error {
	for role, attrs := range t.Attributes {
		if !slices.Contains(Roles(), role) {
			return fmt.Errorf("attributes of %q: there is no such role", role)
		}
		for _, a := range attrs {
			if _, ok := attributes()[a]; !ok {
				return fmt.Errorf("attributes of %s: %q is none of bold, faint, italic, underline, reverse", role, a)
			}
		}
	}
	return nil
}

// validateMono asks that what must stand out does so without colour.
func (t Theme) validateMono() error {
	if len(t.Colors) > 0 {
		return errors.New("a mono theme has no colours")
	}
	for _, role := range []Role{Selection, Accent, Bad, Leader, Focus} {
		if len(t.Attributes[role]) == 0 {
			return fmt.Errorf("role %s has no attribute to stand out by", role)
		}
	}
	if strings.Join(t.Attributes[Bad], " ") == strings.Join(t.Attributes[OK], " ") {
		return errors.New("ok and bad look alike")
	}
	return nil
}

package themes

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
)

func TestBuiltInThemesAreValid(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(names(all), " "); got != "dark light contrast mono" {
		t.Errorf("themes in order: %s", got)
	}
}

func TestFind(t *testing.T) {
	first, err := Find("")
	if err != nil || first.Name != "dark" {
		t.Errorf("the default theme is %q, %v", first.Name, err)
	}
	if _, err := Find("plaid"); err == nil || !strings.Contains(err.Error(), "dark, light, contrast, mono") {
		t.Errorf("an unknown theme must name the known ones: %v", err)
	}
}

func TestValidationRefuses(t *testing.T) {
	dark, err := Find("dark")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*Theme)
		want   string
	}{
		"missing role":      {func(t *Theme) { delete(t.Colors, Warn) }, "role warn"},
		"unknown role":      {func(t *Theme) { t.Colors["sparkle"] = "#ffffff" }, "remove what is no role"},
		"malformed":         {func(t *Theme) { t.Colors[Text] = "white" }, "not #rrggbb"},
		"low contrast":      {func(t *Theme) { t.Colors[Muted] = "#333333" }, "muted on background has contrast"},
		"states look alike": {func(t *Theme) { t.Colors[OK] = t.Colors[Busy] }, "ok and busy look alike"},
		"unknown attribute": {func(t *Theme) { t.Attributes = map[Role][]string{Bad: {"blink"}} }, `"blink" is none of`},
		"no title":          {func(t *Theme) { t.Title = "" }, "no title"},
		"mono with colours": {func(t *Theme) { t.Mono = true }, "no colours"},
	} {
		t.Run(name, func(t *testing.T) {
			theme := dark
			theme.Colors = maps.Clone(dark.Colors)
			test.change(&theme)
			data, err := json.Marshal(theme)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Parse("test", data); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// With sixteen colours text must not vanish in its background.
func TestSixteenColors(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, theme := range all {
		if theme.Mono {
			continue
		}
		for _, role := range readable() {
			for _, ground := range []Role{Background, Surface, Selection} {
				s := theme.ink(role)
				s.Bg = theme.ground(ground).Bg
				got := uv.ConvertStyle(s, colorprofile.ANSI)
				if got.Fg == got.Bg {
					t.Errorf("%s: %s on %s is %v on itself in 16 colours", theme.Name, role, ground, got.Fg)
				}
			}
		}
	}
}

func TestMonoHasNoColor(t *testing.T) {
	mono, err := Find("mono")
	if err != nil {
		t.Fatal(err)
	}
	s := mono.Styles()
	for _, style := range []Style{s.Base, s.Bar, s.Selection, s.Text, s.Bad, s.Leader, s.Reverse} {
		if style.Fg != nil || style.Bg != nil {
			t.Errorf("%+v has a colour", style)
		}
	}
	if s.Bad == s.OK || s.Selection == s.Base {
		t.Error("bad and ok, or the selection, cannot be told apart")
	}
}

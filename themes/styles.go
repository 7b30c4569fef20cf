package themes

import (
	"charm.land/lipgloss/v2"
	uv "github.com/charmbracelet/ultraviolet"
)

// Style is how one cell is drawn. A style without background leaves the
// background of what it is drawn over.
type Style = uv.Style

// Styles are what screens draw with.
type Styles struct {
	// Theme is the name of the theme they come from.
	Theme string

	Base      Style // fills the screen
	Bar       Style // fills header, status and dialogs
	Selection Style // fills the selected row
	Reverse   Style // a badge: dark text on the accent colour

	Text, Strong, Muted, Faint    Style
	Title, Accent, Key            Style
	Border, Focus                 Style
	OK, Busy, Warn, Bad           Style
	Paused, Off, Info             Style
	BadBadge, WarnBadge, OKBadge  Style
	Leader, Candidate             Style
	PreCandidate                  Style
	Follower, Learner             Style
	SelectionText, TabOn, TabIdle Style
}

func attributes() map[string]uint8 {
	return map[string]uint8{
		"bold": uv.AttrBold, "faint": uv.AttrFaint, "italic": uv.AttrItalic, "reverse": uv.AttrReverse,
		"underline": 0, // kept apart from the other attributes
	}
}

// Styles makes the styles of a theme. The theme must come from All, Find or Parse.
func (t Theme) Styles() Styles {
	s := Styles{Theme: t.Name}
	s.Base = t.ground(Background)
	s.Bar = t.ground(Surface)
	s.Selection = t.ground(Selection)
	s.Reverse = bold(t.badge(Accent))
	s.Text, s.Muted, s.Faint = t.ink(Text), t.ink(Muted), t.ink(Faint)
	s.Strong = bold(s.Text)
	s.Accent = t.ink(Accent)
	s.Title, s.Key = bold(s.Accent), bold(s.Accent)
	s.Border, s.Focus = t.ink(Border), t.ink(Focus)
	s.OK, s.Busy, s.Warn, s.Bad = t.ink(OK), t.ink(Busy), t.ink(Warn), bold(t.ink(Bad))
	s.Paused, s.Off, s.Info = t.ink(Paused), t.ink(Off), t.ink(Info)
	s.BadBadge, s.WarnBadge, s.OKBadge = bold(t.badge(Bad)), bold(t.badge(Warn)), bold(t.badge(OK))
	s.Leader, s.Candidate = bold(t.ink(Leader)), bold(t.ink(Candidate))
	s.PreCandidate, s.Follower, s.Learner = bold(t.ink(PreCandidate)), t.ink(Follower), t.ink(Learner)
	s.SelectionText = bold(t.ink(SelectionText))
	s.TabOn, s.TabIdle = s.Reverse, s.Muted
	return s
}

// ink is text in the colour of a role, on whatever is below.
func (t Theme) ink(r Role) Style {
	s := t.attributed(r)
	if c := t.Colors[r]; c != "" {
		s.Fg = lipgloss.Color(c)
	}
	return s
}

// ground fills with the colour of a role, under ordinary text.
func (t Theme) ground(r Role) Style {
	s := t.attributed(r)
	if !t.Mono {
		s.Fg, s.Bg = lipgloss.Color(t.Colors[Text]), lipgloss.Color(t.Colors[r])
	}
	return s
}

// badge is text in the background's colour on the colour of a role.
func (t Theme) badge(r Role) Style {
	if t.Mono {
		return Style{Attrs: uv.AttrReverse}
	}
	return Style{Fg: lipgloss.Color(t.Colors[Background]), Bg: lipgloss.Color(t.Colors[r])}
}

func (t Theme) attributed(r Role) Style {
	var s Style
	for _, name := range t.Attributes[r] {
		s.Attrs |= attributes()[name]
		if name == "underline" {
			s.Underline = lipgloss.UnderlineSingle
		}
	}
	return s
}

func bold(s Style) Style {
	s.Attrs |= uv.AttrBold
	return s
}

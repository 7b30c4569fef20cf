package screen

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// ListKeys move a cursor in a list.
type ListKeys struct {
	Up, Down, PageUp, PageDown, Home, End key.Binding
}

// NewListKeys are the usual keys of a list.
func NewListKeys() ListKeys {
	return ListKeys{
		Up:       key.NewBinding(key.WithKeys("up", "k"), key.WithHelp("↑/k", "up")),
		Down:     key.NewBinding(key.WithKeys("down", "j"), key.WithHelp("↓/j", "down")),
		PageUp:   key.NewBinding(key.WithKeys("pgup", "ctrl+b"), key.WithHelp("pgup", "page up")),
		PageDown: key.NewBinding(key.WithKeys("pgdown", "ctrl+f"), key.WithHelp("pgdn", "page down")),
		Home:     key.NewBinding(key.WithKeys("home", "g"), key.WithHelp("g", "first")),
		End:      key.NewBinding(key.WithKeys("G"), key.WithHelp("G", "last")),
	}
}

// Bindings are the keys for help.
func (k ListKeys) Bindings() []key.Binding {
	return []key.Binding{k.Up, k.Down, k.PageUp, k.PageDown, k.Home, k.End}
}

// Move is where a key or wheel turn takes a cursor in a list of n; false when it
// is none that moves.
func (k ListKeys) Move(msg tea.Msg, cursor, n int) (int, bool) {
	to := cursor
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		switch {
		case key.Matches(msg, k.Up):
			to--
		case key.Matches(msg, k.Down):
			to++
		case key.Matches(msg, k.PageUp):
			to -= 10
		case key.Matches(msg, k.PageDown):
			to += 10
		case key.Matches(msg, k.Home):
			to = 0
		case key.Matches(msg, k.End):
			to = n - 1
		default:
			return cursor, false
		}
	case tea.MouseWheelMsg:
		switch msg.Button {
		case tea.MouseWheelUp:
			to--
		case tea.MouseWheelDown:
			to++
		default:
			return cursor, false
		}
	default:
		return cursor, false
	}
	return max(0, min(to, n-1)), true
}

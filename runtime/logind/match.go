package logind

import "strings"

// matches says whether a match rule of the D-Bus specification lets the signal
// through. What a rule asks for that no signal here has makes it match none.
func (s signal) matches(rule string) bool {
	for rest := strings.TrimSpace(rule); rest != ""; {
		key, value, ok := strings.Cut(rest, "=")
		if !ok {
			return false
		}
		value, rest = unquote(value)
		if have, known := s.field(strings.TrimSpace(key)); !known || have != value {
			return false
		}
	}
	return true
}

func (s signal) field(key string) (value string, known bool) {
	switch key {
	case "type":
		return "signal", true
	case "sender":
		return busLogind, true
	case "interface":
		return s.iface, true
	case "member":
		return s.member, true
	case "path":
		return string(s.path), true
	}
	return "", false
}

// unquote takes a value off the beginning of a rule. An apostrophe begins and
// ends what may hold commas.
func unquote(text string) (value, rest string) {
	quoted := false
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '\'':
			quoted = !quoted
		case r == ',' && !quoted:
			return b.String(), text[i+1:]
		default:
			b.WriteRune(r)
		}
	}
	return b.String(), ""
}

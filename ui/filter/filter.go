// Package filter is the language of the filter box: words that must all hold.
//
//	kind:pod ns:demo verb:update !lease user:~kubelet code:>=400 "two words"
//
//	word        the text is somewhere in the row
//	key:value   the key has that value; key:a,b one of several; * stands for any text
//	key:~text   the text is somewhere in the key's value
//	key:>=5     numbers and durations compare with > >= < <=, and 5..9 is a range
//	!word       not that; works with every form
//
// Upper and lower case are the same. What cannot be understood is told, and
// left out, so that a half-typed filter filters by its finished part.
package filter

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Key is something that a row has values of.
type Key struct {
	// Name as typed before the colon; Aliases are other names for it.
	Name    string
	Aliases []string
	// Help is an example and what it means, for the filter box.
	Help string
	// Number says that values are numbers or durations, which can be compared.
	Number bool
}

// Row is what is filtered.
type Row interface {
	// Values of a key, by its Name.
	Values(key string) []string
	// Text is all that a word is looked for in.
	Text() string
}

// Filter is a parsed filter. The zero value passes everything.
type Filter struct {
	terms []term
}

type term struct {
	not  bool
	key  string // "" for a word
	test func(value string) bool
}

// Empty says whether everything passes.
func (f Filter) Empty() bool { return len(f.terms) == 0 }

// Match says whether a row passes.
func (f Filter) Match(r Row) bool {
	for _, t := range f.terms {
		ok := false
		if t.key == "" {
			ok = t.test(strings.ToLower(r.Text()))
		} else {
			ok = slices.ContainsFunc(r.Values(t.key), t.test)
		}
		if ok == t.not {
			return false
		}
	}
	return true
}

// Parse reads a filter over the keys. The filter is good also when there is an
// error, which says what was left out of it.
func Parse(text string, keys []Key) (Filter, error) {
	var f Filter
	var problems []string
	for _, word := range words(text) {
		t, err := parse(word, keys)
		switch {
		case err != nil:
			problems = append(problems, err.Error())
		case t.test != nil:
			f.terms = append(f.terms, t)
		}
	}
	if problems != nil {
		return f, fmt.Errorf("%s", strings.Join(problems, "; "))
	}
	return f, nil
}

// word is a part of the text between blanks; what was quoted is literal.
type word struct {
	text   string
	quoted int // where in text the first quoted part begins; -1 for none
}

// words splits at blanks outside of quotes. A quote that is not closed ends
// with the text.
func words(text string) []word {
	var out []word
	w, open, inside := word{quoted: -1}, false, false
	flush := func() {
		if inside {
			out = append(out, w)
		}
		w, inside = word{quoted: -1}, false
	}
	for _, r := range text {
		switch {
		case r == '"':
			if open = !open; open && w.quoted < 0 {
				w.quoted = len(w.text)
			}
			inside = true
		case !open && unicode.IsSpace(r):
			flush()
		default:
			w.text += string(r)
			inside = true
		}
	}
	flush()
	return out
}

// parse reads one word; a term without test is one that is not finished.
func parse(w word, keys []Key) (term, error) {
	var t term
	text := w.text
	if w.quoted != 0 && strings.HasPrefix(text, "!") {
		t.not, text, w.quoted = true, text[1:], w.quoted-1
	}
	name, value, isKey := strings.Cut(text, ":")
	if !isKey || w.quoted >= 0 && w.quoted <= len(name) || name == "" {
		if text != "" {
			want := strings.ToLower(text)
			t.test = func(v string) bool { return strings.Contains(v, want) }
		}
		return t, nil
	}
	k, err := find(name, keys)
	if err != nil {
		return t, err
	}
	t.key = k.Name
	if value == "" && w.quoted < 0 {
		return t, nil
	}
	t.test, err = test(k, value, w.quoted >= 0)
	return t, err
}

func find(name string, keys []Key) (Key, error) {
	name = strings.ToLower(name)
	var known []string
	for _, k := range keys {
		if k.Name == name || slices.Contains(k.Aliases, name) {
			return k, nil
		}
		known = append(known, k.Name)
	}
	return Key{}, fmt.Errorf("no key %q: there are %s", name, strings.Join(known, " "))
}

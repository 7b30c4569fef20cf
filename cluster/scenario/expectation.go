package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/cluster/state"
)

// View is what a condition is checked against.
type View struct {
	Now *state.World
	// Base is what held before the last thing was done.
	Base Base
}

// Base is what held before something was done, for what "changed" means.
type Base struct {
	At     time.Time
	Leader string
	Term   uint64
	// Commit is the highest commit index of any member.
	Commit uint64
	// Holders of the leader leases of kube-system, by lease.
	Holders map[string]string
}

// NewBase is the base of what is done at a time, by the machine's clock, which
// the world's events have too.
func NewBase(w *state.World, at time.Time) Base {
	b := Base{At: at, Leader: w.Raft.Leader(), Holders: map[string]string{}}
	for _, m := range w.Raft.Members {
		b.Term, b.Commit = max(b.Term, m.Term), max(b.Commit, m.Commit)
	}
	for key, l := range w.Kube.Leases {
		if name, ok := strings.CutPrefix(key, "kube-system/"); ok {
			b.Holders[name] = l.Holder
		}
	}
	return b
}

// Expectation is a condition and when it has to hold: at once, or within a time,
// and then, where For is not 0, all through that time.
type Expectation struct {
	Text        string // the condition alone
	Within, For time.Duration
	form        form
	args        args
}

// Check says whether the condition holds in a view, else why not.
func (e Expectation) Check(v View) (held bool, why string) {
	why = e.form.check(v, e.args)
	return why == "", why
}

// args are the words that stand for the capital ones of a form.
type args map[string]string

// ParseExpectation reads a condition with its times, such as "leader changed
// within 10s" or "pulse green for 5s".
func ParseExpectation(text string) (Expectation, error) {
	var e Expectation
	words := strings.Fields(text)
	for len(words) > 2 {
		word, value := words[len(words)-2], words[len(words)-1]
		if word != "within" && word != "for" {
			break
		}
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return e, fmt.Errorf("%s %s is no time; write such as %s 10s", word, value, word)
		}
		switch {
		case word == "within" && e.Within == 0:
			e.Within = d
		case word == "for" && e.For == 0:
			e.For = d
		default:
			return e, fmt.Errorf("%s stands there twice; write it once", word)
		}
		words = words[:len(words)-2]
	}
	if len(words) == 0 {
		return e, errors.New("there is no condition; write such as leader changed within 10s")
	}
	e.Text = strings.Join(words, " ")
	for _, f := range forms() {
		if a, ok := f.match(words); ok {
			e.form, e.args = f, a
			if f.valid != nil {
				if err := f.valid(a); err != nil {
					return e, fmt.Errorf("%w; the form is: %s", err, f.usage)
				}
			}
			return e, nil
		}
	}
	return e, fmt.Errorf("%q is no condition; %s", e.Text, nearest(words))
}

// form is a form of conditions: words, of which those in capitals stand for any.
type form struct {
	usage, text string
	// check is "" when the condition holds, else why it does not.
	check func(View, args) string
	valid func(args) error
}

func (f form) match(words []string) (args, bool) {
	parts := strings.Fields(f.usage)
	if len(parts) != len(words) {
		return nil, false
	}
	a := args{}
	for i, p := range parts {
		switch {
		case p == strings.ToUpper(p) && strings.ContainsAny(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
			a[p] = words[i]
		case p != words[i]:
			return nil, false
		}
	}
	return a, true
}

// nearest are the forms that begin with the same word, else the first words of
// all.
func nearest(words []string) string {
	var same, first []string
	for _, f := range forms() {
		word, _, _ := strings.Cut(f.usage, " ")
		if strings.EqualFold(word, words[0]) {
			same = append(same, f.usage)
		}
		if !slices.Contains(first, word) {
			first = append(first, word)
		}
	}
	if len(same) > 0 {
		return "there are: " + strings.Join(same, " | ")
	}
	return "conditions begin with " + strings.Join(first, ", ")
}

// FormText is a form of conditions and what it means, for documentation.
type FormText struct{ Usage, Text string }

// FormTexts are all forms.
func FormTexts() []FormText {
	var out []FormText
	for _, f := range forms() {
		out = append(out, FormText{f.usage, f.text})
	}
	return out
}

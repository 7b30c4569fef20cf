package filter

import (
	"strings"
	"testing"
)

var keys = []Key{
	{Name: "kind", Aliases: []string{"k"}}, {Name: "ns"}, {Name: "verb"}, {Name: "user"}, {Name: "code", Number: true}, {Name: "took", Number: true},
}

type row map[string]string

func (r row) Values(key string) []string {
	if v, ok := r[key]; ok {
		return strings.Split(v, "|")
	}
	return nil
}

func (r row) Text() string { return r["text"] }

var pod = row{
	"kind": "Pod|pods", "ns": "demo", "verb": "update", "user": "system:node:w1", "code": "200", "took": "12ms",
	"text": "pod/web-7c9 status.phase Pending > Running",
}

func TestMatch(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                    true,
		"   ":                                 true,
		"kind:pod":                            true,
		"KIND:PODS":                           true,
		"k:pod":                               true,
		"kind:po":                             false,
		"kind:po*":                            true,
		"kind:*d":                             true,
		"kind:p*d":                            true,
		"kind:p*x*d":                          false,
		"kind:node,pod":                       true,
		"kind:node,lease":                     false,
		"!kind:pod":                           false,
		"!kind:lease":                         true,
		"kind:~od":                            true,
		"user:~NODE":                          true,
		"!user:~kubelet":                      true,
		"user:system:node:w1":                 true,
		"user:system:node:w2":                 false,
		"running":                             true,
		"!running":                            false,
		"!lease":                              true,
		`"pending > running"`:                 true,
		`"pending  > running"`:                false,
		`!"pending > running"`:                false,
		`"kind:pod"`:                          false,
		`ns:"demo"`:                           true,
		`ns:"de*"`:                            false,
		`ns:""`:                               false,
		`ns:"unclosed`:                        false,
		"kind:pod ns:demo verb:update !lease": true,
		"kind:pod ns:other":                   false,
		"code:200":                            true,
		"code:>=200":                          true,
		"code:>200":                           false,
		"code:<=200 code:<201":                true,
		"code:404,200":                        true,
		"code:200..299":                       true,
		"code:400..499":                       false,
		"!code:400..499":                      true,
		"took:>10ms":                          true,
		"took:<10ms":                          false,
		"took:~ms":                            true,
		"kind:":                               true,
		"kind:,":                              true,
		"code:>":                              true,
		"code:200..":                          true,
		"user:~":                              true,
		"!":                                   true,
		"!kind:":                              true,
	} {
		f, err := Parse(text, keys)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if got := f.Match(pod); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

// What cannot be understood is told and left out; the rest filters.
func TestProblems(t *testing.T) {
	for text, want := range map[string]string{
		"knd:pod kind:node": `no key "knd": there are kind ns verb user code took`,
		"code:abc":          "code:abc is no number: try code:>5, code:5..9, or 20ms",
		"code:>x kind:node": "code:x is no number",
		"code:a..5":         "code:a is no number",
		"code:5..b":         "code:b is no number",
		"code:1,b":          "code:b is no number",
		"code:nan":          "",
		"a:b http://x":      `no key "a": there are kind ns verb user code took; no key "http"`,
	} {
		f, err := Parse(text, keys)
		switch {
		case want == "" && text == "code:nan":
			if err == nil {
				t.Errorf("%q is a number", text)
			}
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%q: %v", text, err)
		}
		if got := f.Match(pod); got == strings.Contains(text, "kind:node") {
			t.Errorf("%q: the rest of it must filter, and no more: %v", text, got)
		}
	}
}

func TestEmpty(t *testing.T) {
	if f, _ := Parse(" kind: ", keys); !f.Empty() {
		t.Error("a half-typed key filters")
	}
	if f, _ := Parse("x", keys); f.Empty() {
		t.Error("a word does not filter")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`kind:pod ns:demo verb:update !lease user:~kubelet text`, `"a b" !x:"y`, "code:>=4..5", "!!a", `""`, "k:*,*", "\xff:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := Parse(text, keys)
		filter.Match(pod)
		filter.Match(row{})
		again, err2 := Parse(text, keys)
		if (err == nil) != (err2 == nil) || filter.Match(pod) != again.Match(pod) {
			t.Fatalf("%q: parsed twice, not the same", text)
		}
		if strings.TrimSpace(text) == "" && !filter.Empty() {
			t.Fatalf("%q filters", text)
		}
		// One more word can only let fewer rows pass.
		if more, _ := Parse(`verb:nothing `+text, keys); more.Match(pod) {
			t.Fatalf("%q passes what an added word must stop", text)
		}
	})
}

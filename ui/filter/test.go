package filter

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// test makes the test of a key's values; nil while it is half typed.
func test(k Key, value string, literal bool) (func(string) bool, error) {
	if part, ok := strings.CutPrefix(value, "~"); ok && !literal {
		if part == "" {
			return nil, nil
		}
		part = strings.ToLower(part)
		return func(v string) bool { return strings.Contains(strings.ToLower(v), part) }, nil
	}
	if k.Number && !literal {
		return compare(k.Name, value)
	}
	if literal {
		return func(v string) bool { return strings.EqualFold(v, value) }, nil
	}
	var any []func(string) bool
	for one := range strings.SplitSeq(strings.ToLower(value), ",") {
		if one != "" {
			any = append(any, func(v string) bool { return glob(one, strings.ToLower(v)) })
		}
	}
	if any == nil {
		return nil, nil
	}
	return func(v string) bool {
		for _, f := range any {
			if f(v) {
				return true
			}
		}
		return false
	}, nil
}

// glob matches a pattern in which * is any text.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return strings.HasSuffix(text, last)
}

// compare makes the test of a number: 5, >5, >=5, <5, <=5, 5..9, 1,2.
func compare(key, value string) (func(string) bool, error) {
	for _, op := range []string{">=", "<=", ">", "<"} {
		rest, ok := strings.CutPrefix(value, op)
		if !ok {
			continue
		}
		if rest == "" {
			return nil, nil
		}
		want, ok := number(rest)
		if !ok {
			return nil, notNumber(key, rest)
		}
		return numeric(func(v float64) bool {
			return op[0] == '>' && v > want || op[0] == '<' && v < want || len(op) == 2 && v == want
		}), nil
	}
	if from, to, ok := strings.Cut(value, ".."); ok {
		low, ok1 := number(from)
		high, ok2 := number(to)
		switch {
		case !ok1:
			return nil, notNumber(key, from)
		case to == "":
			return nil, nil
		case !ok2:
			return nil, notNumber(key, to)
		}
		return numeric(func(v float64) bool { return v >= low && v <= high }), nil
	}
	var wants []float64
	for one := range strings.SplitSeq(value, ",") {
		if one == "" {
			continue
		}
		want, ok := number(one)
		if !ok {
			return nil, notNumber(key, one)
		}
		wants = append(wants, want)
	}
	if wants == nil {
		return nil, nil
	}
	return numeric(func(v float64) bool {
		for _, want := range wants {
			if v == want {
				return true
			}
		}
		return false
	}), nil
}

func notNumber(key, text string) error {
	return fmt.Errorf("%s:%s is no number: try %s:>5, %s:5..9, or 20ms", key, text, key, key)
}

func numeric(f func(float64) bool) func(string) bool {
	return func(text string) bool {
		v, ok := number(text)
		return ok && f(v)
	}
}

// number reads a number, or a duration in seconds.
func number(text string) (float64, bool) {
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return v, v == v
	}
	d, err := time.ParseDuration(text)
	return d.Seconds(), err == nil
}

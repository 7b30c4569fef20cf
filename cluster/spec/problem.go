package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a lab's configuration.
type Problem struct {
	// File is "" and Line and Column are 0 where the configuration is from no
	// file, such as from flags.
	File         string
	Line, Column int // from 1
	// Path is where in the configuration, such as spec.workers.count; "" for
	// the file as a whole.
	Path string
	// What is wrong, and the Remedy: what to write or do instead.
	What, Remedy string
}

// Error is "file:line:column: path: what; remedy".
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.What)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	return b.String()
}

// Problems are all that is wrong, in the order of the file. It is the type of
// the errors that Load and Validate return.
type Problems []Problem

// Error has one problem per line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// err is nil when there are no problems.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	return p
}

// at tells whether something at or below a place was refused already.
func (p Problems) at(place path) bool {
	at := place.String()
	return slices.ContainsFunc(p, func(q Problem) bool {
		return q.Path == at || strings.HasPrefix(q.Path, at+".") || strings.HasPrefix(q.Path, at+"[")
	})
}

// path is a place in the configuration, from the root.
type path []string

func (p path) child(key string) path {
	return append(slices.Clip(p), key)
}

// String joins the keys by dots; a key that is no plain word is quoted.
func (p path) String() string {
	var b strings.Builder
	for _, key := range p {
		switch {
		case strings.HasPrefix(key, "["):
			b.WriteString(key)
		case key == "" || strings.ContainsFunc(key, notPlain):
			fmt.Fprintf(&b, "[%q]", clip(key))
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(clip(key))
		}
	}
	return b.String()
}

func notPlain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// position is a place in the file, from 1; zero when unknown.
type position struct{ line, column int }

// source remembers where in the file each value stood.
type source struct {
	file string
	at   map[string]position
}

const pathSeparator = "\x00"

func (s source) set(p path, at position) { s.at[strings.Join(p, pathSeparator)] = at }

// names says that the file has the value.
func (s source) names(p path) bool {
	_, ok := s.at[strings.Join(p, pathSeparator)]
	return ok
}

// find is the place of the value, or of the nearest one around it.
func (s source) find(p path) position {
	for n := len(p); n >= 0; n-- {
		if at, ok := s.at[strings.Join(p[:n], pathSeparator)]; ok {
			return at
		}
	}
	return position{}
}

func (s source) problem(p path, what, remedy string) Problem {
	at := s.find(p)
	return Problem{File: s.file, Line: at.line, Column: at.column, Path: p.String(), What: what, Remedy: remedy}
}

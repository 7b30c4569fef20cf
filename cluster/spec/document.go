package spec

import (
	"fmt"
	"io"
	"strings"
)

// Document is a file of some kind as it was read: where each value stood, and
// what is wrong with it so far.
type Document struct {
	source   source
	problems Problems
}

// Read decodes a file of a kind, such as Lab, into what a pointer to a struct
// points to, by the json names of its fields, which may be text, booleans, whole
// numbers, structs, maps and lists of these. The name is for messages only. The
// error is Problems when it is no such YAML at all, else why it could not be
// read; values that could not be taken are problems of the document.
func Read(file, kind string, r io.Reader, into any) (*Document, error) {
	noun := strings.ToLower(kind)
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s file %s: %w", noun, file, err)
	}
	if len(data) > MaxFile {
		return nil, Problems{{File: file, What: fmt.Sprintf("the file is larger than %d bytes", MaxFile), Remedy: "is it a " + noun + " file?"}}
	}
	if problem, ok := readable(file, data); !ok {
		return nil, Problems{problem}
	}
	root, problem, ok := parse(file, kind, data)
	if !ok {
		return nil, Problems{problem}
	}
	d := decoder{source: source{file: file, at: map[string]position{"": {1, 1}}}}
	d.decodeRoot(root, into)
	return &Document{source: d.source, problems: d.problems}, nil
}

// Refuse adds a problem of the value at a place, such as "spec", "steps", "[0]",
// unless it was refused already.
func (d *Document) Refuse(place []string, what, remedy string) {
	if !d.problems.at(place) {
		d.problems = append(d.problems, d.source.problem(place, what, remedy))
	}
}

// Identity refuses another version or kind of file than the wanted one.
func (d *Document) Identity(version, kind, want string) {
	d.constant(apiVersionPath, version, APIVersion)
	d.constant(kindPath, kind, want)
}

// Name refuses what is no name of a lab or a scenario.
func (d *Document) Name(name string) {
	const form = "use lower-case letters, digits and dashes, with a letter or digit at both ends"
	switch {
	case !label.MatchString(name):
		d.Refuse(namePath, fmt.Sprintf("%q is not a DNS-1123 label", clip(name)), form)
	case len(name) > MaxName:
		d.Refuse(namePath, fmt.Sprintf("the name has %d characters", len(name)), fmt.Sprintf("use at most %d", MaxName))
	}
}

func (d *Document) constant(p path, got, want string) {
	switch {
	case got == want:
	case got == "":
		d.Refuse(p, "is missing", fmt.Sprintf("write %s: %s", p, want))
	default:
		d.Refuse(p, fmt.Sprintf("%q is not what this version reads", clip(got)), "write "+want)
	}
}

// Err is all problems as Problems, or nil.
func (d *Document) Err() error { return d.problems.err() }

package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxFile is the size of the largest file that Load reads, in bytes.
const MaxFile = 1 << 20

// minimal is the beginning of a file of a kind.
func minimal(kind string) string { return "apiVersion: " + APIVersion + "\nkind: " + kind + "\n" }

// Load reads a configuration file. What the file leaves out has its default.
// The name is for messages only. The error is Problems when the file is wrong,
// else why it could not be read. Lab is of use only without an error.
func Load(file string, r io.Reader) (Lab, error) {
	lab := Default()
	lab.APIVersion, lab.Kind = "", ""
	doc, err := Read(file, Kind, r, &lab)
	if err != nil {
		return Lab{}, err
	}
	lab.source = doc.source
	c := checker{lab: lab, problems: doc.problems}
	c.check()
	if err := c.problems.err(); err != nil {
		return Lab{}, err
	}
	return lab, nil
}

// readable refuses bytes that are no YAML text at all, with their position,
// which the YAML library does not give.
func readable(file string, data []byte) (Problem, bool) {
	line, column := 1, 1
	for rest := data; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && n <= 1:
			return Problem{File: file, Line: line, Column: column, What: "the file is not UTF-8 text", Remedy: "save it as UTF-8"}, false
		case r == '\n':
			line, column = line+1, 0
		case r < ' ' && r != '\t' && r != '\r', r == 0x7f:
			return Problem{File: file, Line: line, Column: column, What: fmt.Sprintf("control character %U", r), Remedy: "remove it"}, false
		}
		column++
		rest = rest[n:]
	}
	return Problem{}, true
}

// parse gives the root node of the only document.
func parse(file, kind string, data []byte) (*yaml.Node, Problem, bool) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var root *yaml.Node
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, syntaxProblem(file, data, err), false
		}
		if len(doc.Content) == 0 || isNull(doc.Content[0]) {
			continue
		}
		if root != nil {
			n := doc.Content[0]
			return nil, Problem{
				File: file, Line: n.Line, Column: n.Column, What: "a second document begins here",
				Remedy: "keep one " + strings.ToLower(kind) + " per file",
			}, false
		}
		root = doc.Content[0]
	}
	if root == nil {
		return nil, Problem{File: file, Line: 1, Column: 1, What: "the file is empty", Remedy: "begin it with\n" + minimal(kind)}, false
	}
	return root, Problem{}, true
}

var (
	yamlLine   = regexp.MustCompile(`^line ([0-9]+): `)
	yamlAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntaxProblem gives the YAML library's error a position and, for a tab in an
// indentation, its cause.
func syntaxProblem(file string, data []byte, err error) Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	p := Problem{File: file, Line: 1, Column: 1, Remedy: "see the lines around it: indentation, quotes, colons and brackets"}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		text = strings.TrimPrefix(text, m[0])
		if strings.HasPrefix(text, "did not find expected") {
			p.Line++ // the library counts these from 0 (decode.go, parser.fail)
		}
	}
	lines := strings.Split(string(data), "\n")
	if m := yamlAnchor.FindStringSubmatch(text); m != nil {
		for i, line := range lines {
			if at := strings.Index(line, "*"+m[1]); at >= 0 {
				p.Line, p.Column = i+1, at+1
				p.What, p.Remedy = "no anchor &"+clip(m[1])+" stands before this alias", "define it further up"
				return p
			}
		}
	}
	p.What = "not valid YAML: " + clip(text)
	for i, line := range lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 && len(indent) < len(line) {
			p.Line, p.Column = i+1, tab+1
			p.What, p.Remedy = "a tab in the indentation, which YAML does not allow", "indent with spaces"
			break
		}
	}
	return p
}

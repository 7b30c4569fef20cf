package applet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// matcher is one invocation of grep.
type matcher struct {
	call                                                   Call
	expression                                             *regexp.Regexp
	invert, number, count, list, quiet, only, named, found bool
	before, after                                          int
}

func grep(c Call) error {
	m := &matcher{call: c}
	flags := c.flags()
	var fixed, extended, ignoreCase, word, recurse, hide, show, silent bool
	for letter, on := range map[string]*bool{
		"v": &m.invert, "n": &m.number, "c": &m.count, "l": &m.list, "q": &m.quiet, "o": &m.only,
		"F": &fixed, "E": &extended, "i": &ignoreCase, "w": &word, "r": &recurse, "h": &hide, "H": &show,
		"s": &silent, "P": &extended,
	} {
		flags.BoolVarP(on, "option-"+letter, letter, false, "")
	}
	flags.IntVarP(&m.after, "after-context", "A", 0, "")
	flags.IntVarP(&m.before, "before-context", "B", 0, "")
	around := flags.IntP("context", "C", 0, "")
	expressions := flags.StringArrayP("regexp", "e", nil, "")
	flags.String("color", "", "")
	flags.Bool("line-buffered", false, "")
	flags.Lookup("color").NoOptDefVal = "auto"
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	names := flags.Args()
	if len(*expressions) == 0 {
		if len(names) == 0 {
			return errors.New("want a pattern")
		}
		*expressions, names = names[:1], names[1:]
	}
	if *around > 0 {
		m.before, m.after = *around, *around
	}
	parts := make([]string, len(*expressions))
	for at, text := range *expressions {
		compiled, err := pattern(text, fixed, ignoreCase, word, extended)
		if err != nil {
			fmt.Fprintf(c.Err, "grep: %v\n", err)
			return status(2)
		}
		parts[at] = compiled.String()
	}
	m.expression = regexp.MustCompile(strings.Join(parts, "|"))
	if recurse {
		var err error
		if names, err = filesBelow(names); err != nil {
			return err
		}
	}
	m.named = (len(names) > 1 || recurse || show) && !hide
	if silent {
		m.call.Err = io.Discard
	}
	err := m.call.inputs(names, m.input)
	switch {
	case m.found && m.quiet:
		return nil
	case err != nil:
		if errors.As(err, new(status)) {
			return status(2)
		}
		return err
	case !m.found:
		return status(1)
	}
	return nil
}

func filesBelow(roots []string) ([]string, error) {
	if len(roots) == 0 {
		roots = []string{"."}
	}
	var names []string
	for _, root := range roots {
		err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				names = append(names, name)
			}
			return nil // what cannot be read is left out
		})
		if err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		names = []string{os.DevNull}
	}
	return names, nil
}

func (m *matcher) input(name string, r io.Reader) error {
	reader := bufio.NewReader(r)
	var kept []string // lines before a match, for -B
	matches, remaining, last := 0, 0, 0
	for number := 1; ; number++ {
		line, err := reader.ReadString('\n')
		if line == "" && err != nil {
			break
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case m.expression.MatchString(line) != m.invert:
			m.found = true
			matches++
			if m.quiet || m.list {
				break
			}
			if (m.before > 0 || m.after > 0) && last > 0 && number-len(kept) > last+1 {
				fmt.Fprintln(m.call.Out, "--")
			}
			for at, earlier := range kept {
				m.print(name, number-len(kept)+at, "-", earlier)
			}
			kept = nil
			m.match(name, number, line)
			last, remaining = number, m.after
		case remaining > 0:
			m.print(name, number, "-", line)
			last = number
			remaining--
		case m.before > 0:
			if len(kept) == m.before {
				kept = kept[1:]
			}
			kept = append(kept, line)
		}
		if matches > 0 && (m.quiet || m.list) {
			break
		}
		if err != nil {
			break
		}
	}
	switch {
	case m.quiet:
	case m.list && matches > 0:
		fmt.Fprintln(m.call.Out, name)
	case m.count:
		m.count = false
		m.print(name, 0, ":", fmt.Sprint(matches))
		m.count = true
	}
	return nil
}

func (m *matcher) match(name string, number int, line string) {
	if !m.only || m.invert {
		m.print(name, number, ":", line)
		return
	}
	for _, part := range m.expression.FindAllString(line, -1) {
		m.print(name, number, ":", part)
	}
}

func (m *matcher) print(name string, number int, separator, line string) {
	if m.count {
		return
	}
	prefix := ""
	if m.named {
		prefix = name + separator
	}
	if m.number && number > 0 {
		prefix += fmt.Sprint(number) + separator
	}
	fmt.Fprintln(m.call.Out, prefix+line)
}

package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Print writes the checks as a table for people, with remedies below what is
// not well, and a last line that sums up. With ascii it uses no other
// characters than those for its own marks.
func Print(w io.Writer, checks []Check, ascii bool) error {
	marks := map[Status]string{OK: "✓", Warn: "!", Fail: "✗"}
	if ascii {
		marks = map[Status]string{OK: "+", Warn: "!", Fail: "x"}
	}
	width := 0
	for _, c := range checks {
		width = max(width, utf8.RuneCountInString(c.Name))
	}
	var b strings.Builder
	count := map[Status]int{}
	fixable := 0
	indent := strings.Repeat(" ", width+4)
	for _, c := range checks {
		count[c.Status]++
		fmt.Fprintf(&b, "%s %-*s  %s\n", marks[c.Status], width, c.Name, c.Found)
		if c.Status == OK {
			continue
		}
		fmt.Fprintf(&b, "%swhy: %s\n", indent, c.Why)
		if c.Fix != "" {
			fmt.Fprintf(&b, "%sfix: %s\n", indent, c.Fix)
		}
		if c.Fixable {
			fixable++
		}
	}
	fmt.Fprintf(&b, "\n%d ok, %d to look at, %d that keep a lab from running", count[OK], count[Warn], count[Fail])
	if fixable > 0 {
		fmt.Fprintf(&b, "; workbench doctor --fix mends %d", fixable)
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// Worst is the worst outcome of the checks.
func Worst(checks []Check) Status {
	worst := OK
	for _, c := range checks {
		if c.Status == Fail || c.Status == Warn && worst == OK {
			worst = c.Status
		}
	}
	return worst
}

package recovery

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Users are the people behind the kinds of probes, in words.
var users = map[string]string{
	"api-read": "API, reading", "api-write": "API, writing", "etcd-write": "etcd, writing", "service": "Services", "dns": "DNS",
}

// Who is a probe's target in words.
func Who(target string) string {
	kind, node, of := strings.Cut(target, "/")
	word := users[kind]
	switch {
	case word == "":
		return target
	case of:
		return word + " on " + node
	}
	return word
}

// Span is a duration as reports print it: milliseconds below a second.
func Span(d time.Duration) string {
	if d > -time.Second && d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.3f s", d.Seconds())
}

// Change is a difference, with its sign.
func Change(d time.Duration) string {
	if d < 0 {
		return Span(d)
	}
	return "+" + Span(d)
}

// Line is a hop as it is printed.
type Line struct {
	Hop
	// Since is the time since the landing (since the undoing, on the way back),
	// Delta since the hop before; only of hops that were seen.
	Since, Delta time.Duration
	// Against is how much later than in the run before; Compared says that it is known.
	Against  time.Duration
	Compared bool
}

// Lines are hops as they are printed, from one instant on.
func (r *Report) Lines(hops []Hop, from time.Time) []Line {
	var out []Line
	last := from
	for _, h := range Timed(hops) {
		l := Line{Hop: h}
		if !h.At.IsZero() {
			l.Since, l.Delta = h.At.Sub(from), h.At.Sub(last)
			last = h.At
			l.Against, l.Compared = r.Against(h)
		}
		out = append(out, l)
	}
	return out
}

// Title is what the hop is, and how many of what it consists of were seen.
func (l Line) Title() string {
	text := l.What
	if l.Inferred {
		text += " ?"
	}
	switch {
	case l.Pending() && l.Of > 1:
		text += fmt.Sprintf(" (%d of %d)", l.Seen, l.Of)
	case l.Of > 1 && !l.First.IsZero() && l.First.Before(l.At):
		text += fmt.Sprintf(" (first %s before)", Span(l.At.Sub(l.First)))
	}
	return text
}

// Proof is the evidence of a hop in words, or what it waits for.
func (l Line) Proof() string {
	if l.Pending() {
		if l.Waits == "" {
			return ""
		}
		return "waits for " + l.Waits
	}
	var parts []string
	if e := l.Evidence; e.Object != "" {
		parts = append(parts, e.Object)
		if e.Revision != "" {
			parts = append(parts, "rv "+e.Revision)
		}
		if e.Detail != "" {
			parts = append(parts, e.Detail)
		}
	}
	if l.Evidence.Seq > 0 {
		parts = append(parts, fmt.Sprintf("event %d", l.Evidence.Seq))
	}
	return strings.Join(parts, ", ")
}

// Outcome says in a sentence whether, when and how it recovered.
func (r *Report) Outcome() string {
	total, ok := r.Total()
	switch {
	case r.Cause == "failed":
		return "The fault could not be made."
	case r.Landed.IsZero():
		return "It has not landed."
	case !ok && r.Closed:
		return "It was not seen to recover."
	case !ok:
		return "It has not recovered yet."
	}
	text := "Recovered " + Span(total) + " after it landed"
	if total <= 0 {
		text = "Nothing had to recover"
	}
	if b := r.Before; b != nil && b.Total > 0 {
		text += fmt.Sprintf(" (%s before: %s)", Span(b.Total), Change(total-b.Total))
	}
	return text + "."
}

// Summary is a report in three words, each "" where there is nothing to say.
type Summary struct {
	// Total time to recovery, Against the run before, Outage the longest of users.
	Total, Against, Outage string
}

// Summary is what a list says of the report.
func (r *Report) Summary() Summary {
	var s Summary
	if total, ok := r.Total(); ok {
		s.Total = Span(total)
		if r.Before != nil && r.Before.Total > 0 {
			s.Against = Change(total - r.Before.Total)
		}
	}
	worst := Felt{}
	for _, k := range r.Kinds() {
		if k.Outage > worst.Outage {
			worst = k
		}
	}
	if worst.Outage > 0 {
		s.Outage = Span(worst.Outage) + " " + Who(worst.Target)
	}
	return s
}

// Versus names the run that it is compared with.
func (r *Report) Versus() string {
	if r.Before == nil {
		return "No earlier " + r.Class + " to compare with."
	}
	return fmt.Sprintf("Compared with %s, %s UTC: %s.", r.Before.ID, r.Before.At.UTC().Format("2 Jan 15:04:05"), r.Before.Text)
}

const clock = "15:04:05.000"

func (r *Report) facts() []string {
	who := ""
	if r.Owner != "" {
		who = ", by " + r.Owner
	}
	verdict := "not verified"
	if r.Verdict != "" {
		verdict = string(r.Verdict)
	}
	if len(r.Evidence) > 0 {
		verdict += ": " + strings.Join(r.Evidence, "; ")
	}
	out := []string{fmt.Sprintf("%s UTC%s; %s", r.Start().UTC().Format("2 Jan "+clock), who, verdict), r.Outcome()}
	return append(out, r.Versus())
}

// section is a list of hops under a title.
type section struct {
	title string
	lines []Line
}

func (r *Report) sections() []section {
	out := []section{{"", r.Lines(r.Hops, r.Start())}}
	if len(r.Return) > 0 {
		cause := r.Cause
		if cause == "" {
			cause = "undone"
		}
		out = append(out, section{fmt.Sprintf("Way back (%s %s after it landed)", cause, Span(r.Undone.Sub(r.Start()))), r.Lines(r.Return, r.Undone)})
	}
	return out
}

// times are the columns of a line: since, delta, against.
func (l Line) times() (since, delta, against string) {
	if l.Pending() {
		return "pending", "", ""
	}
	if l.Compared {
		against = Change(l.Against)
	}
	return Span(l.Since), Change(l.Delta), against
}

// WriteText writes the report for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n%s\n", r.ID, r.Text, strings.Join(r.facts(), "\n"))
	for _, s := range r.sections() {
		b.WriteString("\n")
		if s.title != "" {
			b.WriteString(s.title + "\n")
		}
		tw := tabwriter.NewWriter(&b, 0, 8, 2, ' ', tabwriter.AlignRight)
		for _, l := range s.lines {
			since, delta, against := l.times()
			fmt.Fprintf(tw, "%s\t%s\t%s\t\x00%s\n", since, delta, against, l.text())
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	b.WriteString("\n")
	tw := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "Users of\tprobes\tfailed\tlongest outage\tbefore\tslowest answer\t")
	for _, k := range r.Kinds() {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%s\t%s\t%s\t%s\n", Who(k.Target), k.Requests, k.Failed, Span(k.Outage), r.OutageAgainst(k), Span(k.Slowest), k.Error)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, strings.ReplaceAll(b.String(), "\x00", "  "))
	return err
}

func (l Line) text() string {
	if p := l.Proof(); p != "" {
		return l.Title() + "  [" + p + "]"
	}
	return l.Title()
}

// OutageAgainst is how much longer the outage of a kind of probe was than in the
// run before, or "".
func (r *Report) OutageAgainst(k Felt) string {
	if r.Before == nil {
		return ""
	}
	was, ok := r.Before.Felt[kindOf(k.Target)]
	if !ok {
		return ""
	}
	return Change(k.Outage - was.Outage)
}

// WriteMarkdown writes the report as Markdown.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Recovery from %s: `%s`\n\n", r.ID, r.Text)
	for _, f := range r.facts() {
		fmt.Fprintf(&b, "- %s\n", f)
	}
	for _, s := range r.sections() {
		title := s.title
		if title == "" {
			title = "Hops"
		}
		fmt.Fprintf(&b, "\n## %s\n\n| since | step | against | what | evidence |\n| ---: | ---: | ---: | --- | --- |\n", title)
		for _, l := range s.lines {
			since, delta, against := l.times()
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", since, delta, against, cell(l.Title()), cell(l.Proof()))
		}
	}
	b.WriteString("\n## What users felt\n\n| users of | probes | failed | longest outage | against | slowest answer | last failure |\n| --- | ---: | ---: | ---: | ---: | ---: | --- |\n")
	for _, k := range r.Kinds() {
		fmt.Fprintf(&b, "| %s | %d | %d | %s | %s | %s | %s |\n", Who(k.Target), k.Requests, k.Failed, Span(k.Outage), r.OutageAgainst(k), Span(k.Slowest), cell(k.Error))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell is a text that cannot break its table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}

// WriteJSON writes the report as JSON, without what is needed to follow it.
func (r *Report) WriteJSON(w io.Writer) error {
	out := *r
	out.Work = nil
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"workbench/cluster/demo"
)

// result is all that was measured, and where.
type result struct {
	Began    time.Time     `json:"began"`
	Took     string        `json:"took"`
	Machine  machine       `json:"machine"`
	Boots    []sample      `json:"boots"`
	Own      []own         `json:"own"`
	Failures []demo.Report `json:"failures"`
}

type machine struct {
	CPUs     int    `json:"cpus"`
	CPU      string `json:"cpu"`
	Memory   int64  `json:"memoryBytes"`
	Kernel   string `json:"kernel"`
	LoadThen string `json:"loadAtBegin"` // averages over 1, 5 and 15 minutes
	LoadNow  string `json:"loadAtEnd"`
	Binary   int64  `json:"binaryBytes"`
}

func (r *result) describe(o options) error {
	var info syscall.Sysinfo_t
	var name syscall.Utsname
	if err := syscall.Sysinfo(&info); err != nil {
		return err
	}
	if err := syscall.Uname(&name); err != nil {
		return err
	}
	file, err := os.Stat(o.binary)
	if err != nil {
		return err
	}
	r.Machine = machine{CPUs: runtime.NumCPU(), CPU: cpuModel(), Memory: int64(info.Totalram) * int64(info.Unit), LoadThen: load(), Binary: file.Size()}
	for _, c := range name.Release {
		if c != 0 {
			r.Machine.Kernel += string(rune(c))
		}
	}
	return nil
}

func cpuModel() string {
	raw, _ := os.ReadFile("/proc/cpuinfo") // for people to read
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func load() string {
	raw, _ := os.ReadFile("/proc/loadavg")
	return strings.Join(strings.Fields(string(raw))[:3], " ")
}

func (r *result) finish() {
	r.Machine.LoadNow = load()
	r.Took = time.Since(r.Began).Round(time.Second).String()
}

func (r *result) add(s sample) {
	r.Boots = append(r.Boots, s)
	progress("%s %-19s run %d: API %d ms, all Ready %d ms, %.1f CPU s (others %.1f)", s.Shape, s.Variant, s.Run, s.API, s.Ready, s.CPUSeconds, s.OthersCPUSeconds)
}

func (r *result) write(w io.Writer, form string) error {
	if form == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	m := r.Machine
	fmt.Fprintf(w, "%d CPUs (%s), %.0f GB, Linux %s. Began %s, took %s; load %s at the begin, %s at the end.\n",
		m.CPUs, m.CPU, float64(m.Memory)/1e9, m.Kernel, r.Began.UTC().Format(time.RFC3339), r.Took, m.LoadThen, m.LoadNow)
	for _, t := range []table{r.boots(), r.own(), r.failures(), r.raw()} {
		if len(t.rows) == 0 {
			continue
		}
		if err := t.write(w, form == "markdown"); err != nil {
			return err
		}
	}
	return nil
}

// table is a title and cells; the first row heads the columns.
type table struct {
	title string
	head  []string
	rows  [][]string
}

func (t table) write(out io.Writer, markdown bool) error {
	if markdown {
		fmt.Fprintf(out, "\n### %s\n\n| %s |\n|%s\n", t.title, strings.Join(t.head, " | "), " --- |"+strings.Repeat(" ---: |", len(t.head)-1))
		for _, row := range t.rows {
			fmt.Fprintf(out, "| %s |\n", strings.Join(row, " | "))
		}
		return nil
	}
	fmt.Fprintf(out, "\n%s\n", t.title)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{t.head}, t.rows...) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// boots has the medians.
func (r *result) boots() table {
	t := table{
		title: "Boot: medians in ms from the start of the command; CPU of all processes until the last stage",
		head:  []string{"lab", "command", "API answers", "Service", "app pod runs", "all Ready", "CPU s", "others' CPU s", "PSS MB", "idle CPU %", "down"},
	}
	for _, shape := range unique(r.Boots, func(s sample) string { return s.Shape }) {
		for _, v := range variants {
			var all []sample
			for _, s := range r.Boots {
				if s.Shape == shape && s.Variant == v {
					all = append(all, s)
				}
			}
			if len(all) == 0 {
				continue
			}
			ms := func(of func(sample) int64) string { return whole(median(all, of)) }
			t.rows = append(t.rows, []string{
				shape + " " + v, ms(func(s sample) int64 { return s.Command }), ms(func(s sample) int64 { return s.API }), ms(func(s sample) int64 { return s.Service }),
				ms(func(s sample) int64 { return s.Pod }), ms(func(s sample) int64 { return s.Ready }),
				tenth(median(all, func(s sample) float64 { return s.CPUSeconds })), tenth(median(all, func(s sample) float64 { return s.OthersCPUSeconds })),
				whole(median(all, func(s sample) int64 { return s.PSSBytes / 1e6 })), tenth(100 * median(all, func(s sample) float64 { return s.IdleCPU })),
				ms(func(s sample) int64 { return s.DownMillis }),
			})
		}
	}
	return t
}

func (r *result) own() table {
	t := table{title: "The workbench itself, beside the components, at rest", head: []string{"process", "CPU %", "private MB"}}
	if len(r.Own) > 0 {
		t.rows = [][]string{
			{"supervisor", tenth(100 * median(r.Own, func(o own) float64 { return o.SupervisorCPU })), tenth(median(r.Own, func(o own) float64 { return float64(o.SupervisorPrivate) / 1e6 }))},
			{"app", tenth(100 * median(r.Own, func(o own) float64 { return o.AppCPU })), tenth(median(r.Own, func(o own) float64 { return float64(o.AppPrivate) / 1e6 }))},
		}
	}
	return t
}

// failures has the medians of each hop of the tour.
func (r *result) failures() table {
	t := table{title: "Failure: ms after it was asked for", head: []string{"what happened", "median", "runs"}}
	if len(r.Failures) == 0 {
		return t
	}
	for _, scene := range r.Failures[0].Acts {
		for _, h := range scene.Hops {
			var seen []int64
			var raw []string
			for _, report := range r.Failures {
				found, _ := report.Find(scene.Kind, h.Name)
				if found.Milliseconds == nil {
					raw = append(raw, cmp.Or(found.Note, "not observed"))
					continue
				}
				seen = append(seen, *found.Milliseconds)
				raw = append(raw, fmt.Sprint(*found.Milliseconds))
			}
			t.rows = append(t.rows, []string{string(scene.Kind) + ": " + h.Name, whole(median(seen, func(v int64) int64 { return v })), strings.Join(raw, ", ")})
		}
	}
	return t
}

// raw has every boot.
func (r *result) raw() table {
	t := table{title: "Every boot", head: []string{"lab", "run", "command", "API answers", "Service", "app pod runs", "all Ready", "CPU s", "others' CPU s", "PSS MB", "down"}}
	for _, s := range r.Boots {
		t.rows = append(t.rows, []string{
			s.Shape + " " + s.Variant, fmt.Sprint(s.Run), whole(s.Command), whole(s.API), whole(s.Service), whole(s.Pod), whole(s.Ready),
			tenth(s.CPUSeconds), tenth(s.OthersCPUSeconds), whole(s.PSSBytes / 1e6), whole(s.DownMillis),
		})
	}
	return t
}

func unique[T any](all []T, of func(T) string) []string {
	var out []string
	for _, one := range all {
		if v := of(one); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// median of what is known; the mean of the two in the middle.
func median[T any, N int64 | float64](all []T, of func(T) N) N {
	var values []N
	for _, one := range all {
		values = append(values, of(one))
	}
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}

// whole and tenth write a number, and nothing where there is none.
func whole(v int64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprint(v)
}

func tenth(v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", v)
}

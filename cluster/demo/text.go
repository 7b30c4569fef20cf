package demo

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

func (r Report) heading() string {
	return fmt.Sprintf("%d control planes and %d workers, Kubernetes %s, etcd %s, containerd %s", r.ControlPlanes, r.Workers, r.Kubernetes, r.Etcd, r.Containerd)
}

func (r Report) facts() []string {
	var out []string
	if r.BootMilliseconds > 0 {
		out = append(out, fmt.Sprintf("Booted in %d ms.", r.BootMilliseconds))
	}
	return append(out,
		fmt.Sprintf("%d replicas ready behind their Service %d ms after they were asked for.", r.Replicas, r.DeployMilliseconds),
		fmt.Sprintf("A Node is NotReady %d ms after its last heartbeat; its pods are evicted %d ms later.", r.GracePeriodMilliseconds, r.EvictionMilliseconds))
}

// WriteText writes the report for a terminal.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Lab %s: %s\n%s\n", r.Lab, r.heading(), strings.Join(r.facts(), "\n"))
	for _, s := range r.Acts {
		fmt.Fprintf(&b, "\n%s\n", s.Title)
		for _, h := range s.Hops {
			b.WriteString(hopLine(h) + "\n")
		}
		tw := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
		fmt.Fprintln(tw, "  users of\trequests\tfailed\tlongest outage\tslowest answer\t")
		for _, f := range s.Felt {
			fmt.Fprintf(tw, "  %s\t%d\t%d\t%d ms\t%d ms\t%s\n", users[f.Target], f.Requests, f.Failed, f.OutageMilliseconds, f.SlowestMilliseconds, f.Error)
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.outcome())
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteMarkdown writes the report as Markdown.
func (r Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Failure recovery of lab %s\n\n%s.\n%s\n", r.Lab, r.heading(), strings.Join(r.facts(), " "))
	for _, s := range r.Acts {
		fmt.Fprintf(&b, "\n## %s\n\n| after | what happened |\n| ---: | --- |\n", s.Title)
		for _, h := range s.Hops {
			fmt.Fprintf(&b, "| %s | %s |\n", strings.TrimSpace(h.when()), h.Name+h.detail())
		}
		b.WriteString("\n| users of | requests | failed | longest outage | slowest answer | failures say |\n| --- | ---: | ---: | ---: | ---: | --- |\n")
		for _, f := range s.Felt {
			fmt.Fprintf(&b, "| %s | %d | %d | %d ms | %d ms | %s |\n", users[f.Target], f.Requests, f.Failed, f.OutageMilliseconds, f.SlowestMilliseconds, f.Error)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.outcome())
	_, err := io.WriteString(w, b.String())
	return err
}

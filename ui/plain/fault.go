package plain

import (
	"strings"
	"time"

	"workbench/cluster/event"
	"workbench/cluster/state"
)

// fault says what became of a fault. The counters of links have no line.
func fault(body event.Body, before *state.World) Entry {
	out := Entry{Tone: User}
	switch b := body.(type) {
	case event.FaultInjected:
		out.Subject, out.Text = "fault "+b.ID, b.Text
		if b.Owner != "" {
			out.Text += ", by " + b.Owner
		}
		if b.Lease > 0 {
			out.Text += ", for " + lease(b.Lease)
		}
	case event.FaultVerified:
		out.Subject, out.Text, out.Tone = "fault "+b.ID, string(b.Verdict), Caution
		if len(b.Evidence) > 0 {
			out.Text += ": " + strings.Join(b.Evidence, "; ")
		}
		if b.Verdict == event.FaultMismatch {
			out.Tone = Bad
		}
	case event.FaultEnded:
		out.Subject, out.Text, out.Tone = "fault "+b.ID, with(b.Cause, b.Error), Good
		if f := before.Faults.Find(b.ID); f != nil {
			out.Text = f.Text + " is over, " + out.Text
		}
		if b.Error != "" {
			out.Tone = Bad
		}
	}
	return out
}

// lease drops the zeros of a duration: 10m, not 10m0s.
func lease(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

package component

import (
	"testing"

	"github.com/spf13/pflag"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	"workbench/cluster/observe/tap"
)

// TestSchedulerTakesUpstreamsFlags: the command that is put together here has
// every flag of upstream's, with its default and its meaning, and no other.
func TestSchedulerTakesUpstreamsFlags(t *testing.T) {
	ours, theirs := schedulerCommand(tap.New(nil)).Flags(), scheduler.NewSchedulerCommand().Flags()
	theirs.VisitAll(func(want *pflag.Flag) {
		got := ours.Lookup(want.Name)
		if got == nil {
			t.Errorf("--%s is missing", want.Name)
			return
		}
		if got.DefValue != want.DefValue || got.Value.Type() != want.Value.Type() || got.Usage != want.Usage || got.Deprecated != want.Deprecated {
			t.Errorf("--%s is %q (%s), upstream's is %q (%s)", want.Name, got.DefValue, got.Value.Type(), want.DefValue, want.Value.Type())
		}
	})
	ours.VisitAll(func(got *pflag.Flag) {
		if theirs.Lookup(got.Name) == nil {
			t.Errorf("--%s is not upstream's", got.Name)
		}
	})
}

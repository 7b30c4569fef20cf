package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"workbench/cluster/event"
	"workbench/cluster/state"
	"workbench/test/harness"
)

// termOf is the highest Raft term that any etcd member tells by itself.
func termOf(t *testing.T, lab *harness.Lab) (term int) {
	t.Helper()
	var members []struct {
		Status struct {
			RaftTerm int `json:"raftTerm"`
		}
	}
	out := lab.Must("etcdctl", "endpoint", "status", "-w", "json")
	if err := json.Unmarshal([]byte(out), &members); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, m := range members {
		term = max(term, m.Status.RaftTerm)
	}
	return term
}

// testScenarios runs two of those that are built in, one that fails, and one that
// is interrupted.
func testScenarios(t *testing.T, lab *harness.Lab) {
	before := lab.World()
	term := termOf(t, lab)
	out := lab.Must("scenario", "run", "leader-partition", "--yes")
	if !strings.Contains(out, "✓ expect leader changed within 30s") || !strings.Contains(out, "leader-partition passed after") {
		t.Errorf("it says\n%s", out)
	}
	if now := termOf(t, lab); now <= term {
		t.Errorf("etcd is in term %d, was in %d", now, term)
	}
	lab.Must("scenario", "run", "quorum-loss", "--yes")
	file := filepath.Join(t.TempDir(), "wrong.yaml")
	text := "apiVersion: workbench/v1alpha1\nkind: Scenario\nmetadata: {name: wrong}\nspec:\n  steps:\n  - fault: freeze ${follower}/kube-scheduler\n  - expect: member ${follower} leads within 500ms\n  - fault: kill w1\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lab.Refused([]string{"scenario", "run", file, "--yes"}, "step 2", "not within 500ms", " leads")
	lab.Refused([]string{"scenario", "run", file}, "breaks lab", "--yes")
	lab.Refused([]string{"scenario", "run", "leader-los", "--yes"}, `no scenario "leader-los"`, "leader-loss")
	if err := os.WriteFile(file, []byte(strings.Replace(text, "member ${follower} leads within 500ms", "no leader within 3m", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, end := range []struct {
		how, says string
		code      int
		do        func(p *harness.Process)
	}{
		{"ctrl+c", "wrong aborted", 1, func(p *harness.Process) { p.Signal(syscall.SIGINT) }},
		{"scenario stop", "stopped by", 1, func(*harness.Process) {
			lab.Refused([]string{"campaign", "stop"}, "no campaign runs", "workbench scenario stop")
			lab.Refused([]string{"scenario", "run", file, "--yes"}, "faults are on")
			if out := lab.Must("scenario", "stop"); !strings.Contains(out, "aborted: stopped by") {
				t.Errorf("the stop says %s", out)
			}
		}},
		{"kill -9", "", -1, func(p *harness.Process) { p.Signal(syscall.SIGKILL) }},
	} {
		p := lab.Begin("scenario", "run", file, "--yes")
		lab.Await("the fault to land", func(w *state.World) bool {
			return len(w.Faults.Active) == 1 && w.Faults.Active[0].Verdict == event.FaultLanded && w.Scenario.Runs() && len(w.Scenario.Done) == 2
		})
		end.do(p)
		if out, code := lab.AwaitExit(p); code != end.code || !strings.Contains(out, end.says) {
			t.Errorf("exit code %d after %s:\n%s", code, end.how, out)
		}
		w := lab.Await("the run to be over", func(w *state.World) bool { return !w.Scenario.Runs() })
		if len(w.Faults.Active) > 0 {
			t.Errorf("after %s there is %s", end.how, w.Faults.Active[0].Text)
		}
		whole(lab)
	}
	lab.Refused([]string{"scenario", "stop"}, "no scenario and no campaign runs")
	var phases []string
	for _, e := range lab.Events(before.Seq) {
		if b, ok := e.Body.(event.ScenarioState); ok && b.Phase != event.ScenarioRunning {
			phases = append(phases, b.Name+" "+string(b.Phase))
		}
	}
	if want := []string{"leader-partition passed", "quorum-loss passed", "wrong failed", "wrong aborted", "wrong aborted", "wrong aborted"}; !slices.Equal(phases, want) {
		t.Errorf("the journal has %q, want %q", phases, want)
	}
}

// testCampaign runs a short campaign, and looks for what it left by itself.
func testCampaign(t *testing.T, lab *harness.Lab) {
	r := lab.Run("campaign", "--faults", "6", "--seed", "3", "--kinds", "kill,freeze,cut,partition,delay", "-o", "json", "--yes")
	var got struct {
		Faults, Landed, Inconclusive int
		Acknowledged                 int64
		Found                        struct{ Registers, Made int }
		Violation                    string
		Leaks                        []string
	}
	if err := json.Unmarshal([]byte(r.Stdout), &got); err != nil || r.Code != 0 {
		t.Fatalf("exit code %d, %v\n%s\n%s", r.Code, err, r.Stdout, r.Stderr)
	}
	if got.Faults != 6 || got.Landed+got.Inconclusive != 6 || got.Landed < 4 || got.Acknowledged < 50 || got.Found.Registers < 4 || got.Found.Made < 10 || got.Violation != "" || len(got.Leaks) > 0 {
		t.Errorf("got %+v\n%s", got, r.Stderr)
	}
	if out := lab.Kubectl("get", "configmaps", "-l", "workbench.local/campaign", "-o", "name"); strings.TrimSpace(out) != "" {
		t.Errorf("ConfigMaps are left: %s", out)
	}
	if out := lab.Must("etcdctl", "get", "--prefix", "/workbench/campaign/", "--keys-only"); strings.TrimSpace(out) != "" {
		t.Errorf("keys are left: %s", out)
	}
}

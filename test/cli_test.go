package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"workbench/test/harness"
)

// cli is a command line without a lab: it needs no privileges.
func cli(t *testing.T) *harness.Lab {
	t.Helper()
	return harness.Idle(t, harness.Opts{})
}

// listed are the lines of a section of a help text: "name  what it is".
var listed = regexp.MustCompile(`(?m)^  ([a-z-]+) {2,}(\S.*)$`)

// TestHelp walks through all commands: each says what it does, how it is used,
// and what each flag is for.
func TestHelp(t *testing.T) {
	t.Parallel()
	lab := cli(t)
	seen := 0
	var walk func(path []string)
	walk = func(path []string) {
		help := lab.Must(append(path, "--help")...)
		name := strings.Join(append([]string{"workbench"}, path...), " ")
		seen++
		if !strings.Contains(help, "Usage:") || !strings.Contains(help, name) {
			t.Errorf("%s --help shows no usage:\n%s", name, help)
		}
		_, flags, _ := strings.Cut(help, "\nFlags:\n")
		for line := range strings.Lines(flags) {
			if !strings.HasPrefix(strings.TrimSpace(line), "-") {
				continue
			}
			if f := regexp.MustCompile(` {3,}\S`).FindStringIndex(strings.TrimSpace(line)); f == nil {
				t.Errorf("%s --help does not say what a flag is for: %s", name, line)
			}
		}
		_, commands, _ := strings.Cut(help, "\nAvailable Commands:\n")
		commands, _, _ = strings.Cut(commands, "\n\n")
		for _, m := range listed.FindAllStringSubmatch(commands, -1) {
			switch m[1] {
			case "help", "completion", "kubectl", "etcdctl": // generated, or the tool's own
			default:
				walk(append(append([]string{}, path...), m[1]))
			}
		}
	}
	walk(nil)
	if seen < 20 {
		t.Errorf("only %d commands were found", seen)
	}
	if help := lab.Must("--help"); strings.Contains(help, "\n  supervisor ") {
		t.Error("the internal command supervisor is in the help")
	}
}

func TestVersion(t *testing.T) {
	lab := cli(t)
	var v map[string]string
	if err := json.Unmarshal([]byte(lab.Must("version", "-o", "json")), &v); err != nil {
		t.Fatal(err)
	}
	for _, of := range []string{"kubernetes", "etcd", "containerd"} {
		if !regexp.MustCompile(`^v\d+\.\d+\.\d+`).MatchString(v[of]) {
			t.Errorf("version of %s is %q", of, v[of])
		}
		if text := lab.Must("version"); !strings.Contains(text, v[of]) {
			t.Errorf("version without -o json lacks %s:\n%s", v[of], text)
		}
	}
	lab.Refused([]string{"version", "-o", "yaml"}, "want json")
}

func TestSchema(t *testing.T) {
	var schema struct {
		Schema     string         `json:"$schema"`
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal([]byte(cli(t).Must("schema")), &schema); err != nil {
		t.Fatal(err)
	}
	if schema.Schema == "" || schema.Properties["spec"] == nil {
		t.Errorf("schema names %q and describes %v", schema.Schema, schema.Properties)
	}
}

// labFile writes a lab file and returns its path.
func labFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lab.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSpecRefusals holds that what is wrong in a lab file is told with its
// place, all of it at once, by plan and by up, and that nothing is made.
func TestSpecRefusals(t *testing.T) {
	lab := cli(t)
	file := labFile(t, `apiVersion: workbench/v1alpha1
kind: Lab
metadata: {name: lab}
spec:
  controlPlanes: {count: 2}
  wokers: {count: 3}
  network:
    podCIDR: 10.10.0.0/16
`)
	for _, command := range []string{"plan", "up"} {
		lab.Refused([]string{command, "-f", file}, "lab.yaml:5", "lab.yaml:6", "wokers", "workers", "lab.yaml:8")
	}
	lab.Refused([]string{"plan", "--workers", "99"}, "99")
	lab.Refused([]string{"plan", "--control-planes", "2"}, "2")
	lab.Refused([]string{"plan", "--failure-detection", "fast"}, "fast", "teaching")
	lab.Refused([]string{"plan", "-f", filepath.Join(t.TempDir(), "absent.yaml")}, "absent.yaml")
	lab.Refused([]string{"up", "--no-such-flag"}, "no-such-flag")
	lab.Refused([]string{"nonsense"}, "nonsense")
	if _, err := os.Stat(lab.State); err == nil {
		t.Errorf("%s was made by refused commands", lab.State)
	}
}

// TestPlan holds that plan says what would run and does nothing.
func TestPlan(t *testing.T) {
	lab := cli(t)
	out := lab.Must("plan", "--control-planes", "1", "--workers", "2")
	for _, want := range []string{"NODE c1", "NODE w2", "component kube-apiserver", "--etcd-servers=", "STEPS", "w2/kubelet"} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan lacks %q", want)
		}
	}
	if strings.Contains(out, "NODE c2") || strings.Contains(out, "NODE w3") {
		t.Error("the plan has nodes that were not asked for")
	}
	if r := lab.Input("apiVersion: workbench/v1alpha1\nkind: Lab\nspec: {workers: {count: 1}}\n", "plan", "-f", "-"); !strings.Contains(r.Stdout, "NODE c3") || strings.Contains(r.Stdout, "NODE w2") {
		t.Errorf("a plan from standard input: %s\n%s", r.Stderr, r.Stdout)
	}
	if _, err := os.Stat(lab.State); err == nil {
		t.Errorf("plan made %s", lab.State)
	}
}

// TestWithoutALab is what every command says when there is none.
func TestWithoutALab(t *testing.T) {
	lab := cli(t)
	for _, args := range [][]string{
		{"status"}, {"events"}, {"attach", "--plain"}, {"kubectl", "get", "nodes"}, {"kubeconfig"},
		{"node", "start", "w1"}, {"component", "start", "w1/kubelet"},
	} {
		lab.Refused(args, "workbench up")
	}
	lab.Refused([]string{"down"}, "lab")
	lab.Refused([]string{"down", "--purge", "--yes"}, "no lab")
	if _, err := os.Stat(lab.State); err == nil {
		t.Errorf("%s was made by commands without a lab", lab.State)
	}
}

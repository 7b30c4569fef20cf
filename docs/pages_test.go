package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"workbench/cluster/scenario"
	"workbench/cluster/spec"
)

// TestEveryFieldIsDocumented walks the JSON Schemas of files.
func TestEveryFieldIsDocumented(t *testing.T) {
	for name, schema := range map[string][]byte{"config.md": spec.Schema(), "scenarios.md": scenario.Schema()} {
		testFields(t, name, schema)
	}
}

func testFields(t *testing.T, name string, schema []byte) {
	page := read(t, name)
	var root map[string]any
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	named := 0
	var walk func(schema map[string]any, path string)
	walk = func(schema map[string]any, path string) {
		inner := 0
		properties, _ := schema["properties"].(map[string]any)
		for name, child := range properties {
			inner++
			walk(child.(map[string]any), strings.TrimPrefix(path+"."+name, "."))
		}
		if child, ok := schema["additionalProperties"].(map[string]any); ok && child["properties"] != nil {
			inner++
			walk(child, path+".*")
		}
		if child, ok := schema["items"].(map[string]any); ok {
			inner++
			walk(child, path+"[]")
		}
		if inner > 0 {
			return
		}
		named++
		if !strings.Contains(page, "`"+path+"`") {
			t.Errorf("%s does not name `%s`", name, path)
		}
	}
	walk(root, "")
	if named < 15 {
		t.Fatalf("the schema has only %d fields", named)
	}
}

// TestEveryEventIsDocumented reads the wire names from the vocabulary's source:
// it has no list of them, as nothing else needs one.
func TestEveryEventIsDocumented(t *testing.T) {
	page := read(t, "events.md")
	files, err := filepath.Glob("../cluster/event/*.go")
	if err != nil {
		t.Fatal(err)
	}
	wire := regexp.MustCompile(`(?m)^func \(\w+\) Type\(\) string\s+\{ return "([^"]+)" \}`)
	field := regexp.MustCompile("`json:\"([A-Za-z]+)[,\"]")
	types := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source := read(t, file)
		for _, m := range wire.FindAllStringSubmatch(source, -1) {
			types++
			if !strings.Contains(page, "| `"+m[1]+"` |") {
				t.Errorf("events.md has no row for `%s`", m[1])
			}
		}
		for _, m := range field.FindAllStringSubmatch(source, -1) {
			if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(page) {
				t.Errorf("events.md does not name the field %s of %s", m[1], filepath.Base(file))
			}
		}
	}
	if types < 20 {
		t.Fatalf("found only %d types of events", types)
	}
}

// TestExampleLabIsValid holds the first example of config.md to the program.
func TestExampleLabIsValid(t *testing.T) {
	_, rest, _ := strings.Cut(read(t, "config.md"), "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	file := filepath.Join(t.TempDir(), "lab.yaml")
	if err := os.WriteFile(file, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary(t), "--state-dir", t.TempDir(), "plan", "-f", file).CombinedOutput()
	if err != nil {
		t.Fatalf("plan of the example: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "NODE w2") {
		t.Errorf("the plan has no node w2:\n%s", out)
	}
}

// TestEveryConditionIsDocumented holds what scenario files can say to the page.
func TestEveryConditionIsDocumented(t *testing.T) {
	page := read(t, "scenarios.md")
	for _, f := range scenario.FormTexts() {
		if f.Text == "" || !strings.Contains(page, "`"+f.Usage+"`") {
			t.Errorf("scenarios.md does not name the condition `%s`", f.Usage)
		}
	}
	for _, r := range scenario.RoleTexts() {
		if !strings.Contains(page, "`${"+r.Name+"}`") {
			t.Errorf("scenarios.md does not name the role ${%s}", r.Name)
		}
	}
	for _, name := range scenario.Names() {
		if !strings.Contains(page, "| `"+name+"` |") {
			t.Errorf("scenarios.md does not name %s, which is built in", name)
		}
	}
	_, rest, _ := strings.Cut(page, "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	if _, err := scenario.Load("the example", strings.NewReader(example)); err != nil {
		t.Error(err)
	}
}

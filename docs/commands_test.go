package docs

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// binary is the program under documentation: WORKBENCH_BIN, or the one that
// `go tool task build` makes.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("WORKBENCH_BIN")
	if path == "" {
		path = "../bin/workbench"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s does not exist: build first, with: go tool task build", path)
	}
	return path
}

func help(t *testing.T, bin string, command ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), bin, append([]string{"help"}, command...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("help %s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return string(out)
}

var (
	commandLine = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*)  +\S`)
	longFlag    = regexp.MustCompile(`(?m)^ +(?:(-[a-zA-Z]), )?(--[a-z][a-z-]*)`)
)

// part is what follows a heading of the help, up to an empty line.
func part(help, heading string) string {
	_, rest, found := strings.Cut(help, "\n"+heading+":\n")
	if !found {
		return ""
	}
	body, _, _ := strings.Cut(rest, "\n\n")
	return body
}

func read(t *testing.T, page string) string {
	t.Helper()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// section is the part of a page below a heading of the second level.
func section(page, heading string) (string, bool) {
	_, rest, found := strings.Cut(page, "\n## "+heading+"\n")
	body, _, _ := strings.Cut(rest, "\n## ")
	return body, found
}

func requireFlags(t *testing.T, where, text, flags string) {
	t.Helper()
	for _, m := range longFlag.FindAllStringSubmatch(flags, -1) {
		short, long := m[1], m[2]
		if long == "--help" {
			continue
		}
		if !regexp.MustCompile("`" + long + "[ `]").MatchString(text) {
			t.Errorf("commands.md: %s does not name %s", where, long)
		}
		if short != "" && !strings.Contains(text, "`"+short+"`") && !strings.Contains(text, "`"+short+" ") {
			t.Errorf("commands.md: %s does not name %s, short for %s", where, short, long)
		}
	}
}

func TestEveryCommandAndFlagIsDocumented(t *testing.T) {
	bin, page := binary(t), read(t, "commands.md")
	root := help(t, bin)
	global, _, _ := strings.Cut(page, "\n## ")
	requireFlags(t, "the beginning", global, part(root, "Flags"))
	commands := commandLine.FindAllStringSubmatch(part(root, "Available Commands"), -1)
	if len(commands) < 10 {
		t.Fatalf("the help names only %d commands:\n%s", len(commands), root)
	}
	for _, m := range commands {
		name := m[1]
		text, found := section(page, name)
		if !found {
			t.Errorf("commands.md has no section %q", name)
			continue
		}
		own := help(t, bin, name)
		requireFlags(t, name, text, part(own, "Flags"))
		for _, sub := range commandLine.FindAllStringSubmatch(part(own, "Available Commands"), -1) {
			if !regexp.MustCompile("`(workbench " + name + " )?" + sub[1] + "\\b").MatchString(text) {
				t.Errorf("commands.md: %s does not name %s", name, sub[1])
			}
			requireFlags(t, name, text, part(help(t, bin, name, sub[1]), "Flags"))
		}
	}
}

// TestNoCommandIsMadeUp finds sections of commands that are gone.
func TestNoCommandIsMadeUp(t *testing.T) {
	available := part(help(t, binary(t)), "Available Commands")
	for _, m := range regexp.MustCompile(`(?m)^## (\S+)$`).FindAllStringSubmatch(read(t, "commands.md"), -1) {
		if !strings.Contains("\n"+available, "\n  "+m[1]+" ") {
			t.Errorf("commands.md has a section %q, which is no command", m[1])
		}
	}
}

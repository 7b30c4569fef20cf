package role

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain is a program of two components where argv[0] names one of them, or
// none.
func TestMain(m *testing.M) {
	if os.Getenv("ROLE_TEST") == "" {
		os.Exit(m.Run())
	}
	os.Exit(Run(map[string]Main{
		"one": func(args []string) int { return len(args) },
		"two": Of(func(args []string) error {
			if len(args) > 0 {
				return errors.New("too many arguments")
			}
			return nil
		}),
	}))
}

func TestRun(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"a component, and its arguments": {[]string{"/bin/one", "a", "b", "c"}, 3, ""},
		"another":                        {[]string{"two"}, 0, ""},
		"one that fails":                 {[]string{"/bin/two", "a"}, 1, "two: too many arguments"},
		"none":                           {[]string{"/bin/three"}, 2, "three: no component of this program; link to it as one of: one, two"},
	} {
		cmd := exec.Command(self)
		cmd.Args, cmd.Env = c.args, append(os.Environ(), "ROLE_TEST=1")
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != c.code || strings.TrimSpace(string(out)) != c.says {
			t.Errorf("%s: exit code %d, %q", name, got, out)
		}
	}
}

package memory

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestAfter(t *testing.T) {
	for name, c := range map[string]struct {
		percent int
		share   float64
		want    int
	}{
		"rests":                     {rest, 0, rest},
		"rests, a little to do":     {rest, dear, rest},
		"becomes busy":              {rest, dear * 1.1, busy},
		"has become busy, the same": {busy, dear * 1.1 * rest / busy, busy},
		"is busy":                   {busy, dear, busy},
		"comes to rest":             {busy, cheap * 0.9, rest},
		"has come to rest":          {rest, cheap * 0.9 * busy / rest, rest},
	} {
		if got := after(c.percent, c.share); got != c.want {
			t.Errorf("%s: %d after a share of %.3f with %d, want %d", name, got, c.share, c.percent, c.want)
		}
	}
}

func TestCollecting(t *testing.T) {
	before := collecting()
	Release()
	if now := collecting(); now <= before {
		t.Errorf("%g s after a collection, %g before", now, before)
	}
}

// TestReleaseProgram has this program unmapped, and goes on with it.
func TestReleaseProgram(t *testing.T) {
	before := resident(t)
	if err := releaseProgram(); err != nil {
		t.Fatal(err)
	}
	if now := resident(t); now >= before {
		t.Errorf("%d KiB of files are resident after the release, %d before", now, before)
	}
	if source != wanted() {
		t.Errorf("the data is %q now", source)
	}
}

// TestUnchanged wants code and constants of the program, and neither what can be
// written, nor other files, nor what a dynamic linker wrote to.
func TestUnchanged(t *testing.T) {
	const smaps = `00400000-00500000 r-xp 00000000 fe:00 1  /bin/program
Rss:   100 kB
Anonymous:             0 kB
00500000-00900000 r--p 00100000 fe:00 1                  /bin/program
Rss:   200 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
00900000-00a00000 r--p 00500000 fe:00 1                  /bin/program
Anonymous:             8 kB
00a00000-00b00000 rw-p 00600000 fe:00 1                  /bin/program
Anonymous:             0 kB
7f0000000000-7f0000001000 r--p 00000000 fe:00 2          /lib/other/bin/program
Anonymous:             0 kB
7f0000002000-7f0000003000 r--p 00000000 00:00 0
Anonymous:             0 kB
`
	want := []area{{0x400000, 0x500000}, {0x500000, 0x900000}}
	if got := unchanged(smaps, "/bin/program"); !slices.Equal(got, want) {
		t.Errorf("unchanged are %x, want %x", got, want)
	}
}

// source is data of the program.
const source = "what a program carries"

// wanted makes the same of other constants.
func wanted() string { return strings.Join([]string{"what", "a", "program", "carries"}, " ") }

// resident is how much of files this process has mapped, in KiB.
func resident(t *testing.T) int {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`RssFile:\s+(\d+) kB`).FindSubmatch(raw)
	if m == nil {
		t.Fatalf("no RssFile in\n%s", raw)
	}
	kib, err := strconv.Atoi(strings.TrimSpace(string(m[1])))
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

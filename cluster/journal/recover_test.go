package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// written makes a journal of n events and closes it.
func written(t *testing.T, o Options, n uint64) string {
	t.Helper()
	dir := t.TempDir()
	j, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, j, n)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTornEndIsCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		tear func([]byte) []byte
		last uint64
	}{
		"half a line":   {func(b []byte) []byte { return b[:len(b)-20] }, 9},
		"no newline":    {func(b []byte) []byte { return b[:len(b)-1] }, 9},
		"zeros":         {func(b []byte) []byte { return append(b, make([]byte, 4096)...) }, 10},
		"garbage lines": {func(b []byte) []byte { return append(b, "x\n{}\n[1\n"...) }, 10},
		"all of it":     {func([]byte) []byte { return []byte("###") }, 0},
		"an empty file": {func([]byte) []byte { return nil }, 0},
		"a known bad event": {func(b []byte) []byte {
			return append(b, `{"seq":11,"time":"2026-01-02T15:04:05Z","type":"probe","data":{"ok":7}}`+"\n"...)
		}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			dir := written(t, Options{}, 10)
			path := filepath.Join(dir, plainName(1))
			var whole, torn []byte
			edit(t, path, func(b []byte) []byte {
				whole = bytes.Clone(b)
				torn = c.tear(bytes.Clone(b))
				return torn
			})
			j := open(t, dir, Options{Tail: 1})
			if j.Last() != c.last {
				t.Fatalf("last is %d, want %d", j.Last(), c.last)
			}
			good := 0
			for range c.last {
				good += bytes.IndexByte(whole[good:], '\n') + 1
			}
			want := Recovery{}
			if cut := len(torn) - good; cut > 0 {
				want = Recovery{Segment: path, CutBytes: int64(cut), Last: c.last}
			}
			if got := j.Recovered(); got != want {
				t.Errorf("recovered %+v, want %+v", got, want)
			}
			fill(t, j, 12)
			r := j.Reader(0)
			defer r.Close()
			readAll(t, r, 1, 12)
		})
	}
}

// TestEveryTornLength cuts the file at each byte, as a kill could.
func TestEveryTornLength(t *testing.T) {
	dir := written(t, Options{}, 3)
	path := filepath.Join(dir, plainName(1))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) + 1 {
		edit(t, path, func([]byte) []byte { return whole[:n] })
		j, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(n, err)
		}
		if want := uint64(bytes.Count(whole[:n], []byte("\n"))); j.Last() != want {
			t.Errorf("%d bytes: last is %d, want %d", n, j.Last(), want)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamageIsReportedAndPassed(t *testing.T) {
	o := Options{SegmentBytes: 1020, MaxBytes: 1 << 20, Tail: 1} // 10 events each
	for name, c := range map[string]struct {
		seal    bool
		segment uint64
		change  func([]byte) []byte
		from    uint64
		to      uint64
		cause   string
	}{
		"a bad line": {false, 11, func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"text":"line 14"`), []byte(`"text":"line 14`), 1)
		}, 14, 14, "line 4: decode event"},
		"two lines gone": {false, 11, func(b []byte) []byte {
			lines := bytes.SplitAfter(b, []byte("\n"))
			return bytes.Join(append(lines[:2:2], lines[4:]...), nil)
		}, 13, 14, "lines are missing"},
		"an early end": {false, 11, func(b []byte) []byte {
			return b[:bytes.Index(b, []byte(`{"seq":18`))]
		}, 18, 20, "the file ends early"},
		"a torn end inside the journal": {false, 11, func(b []byte) []byte { return b[:len(b)-3] }, 20, 20, "the last line is incomplete"},
		"an empty compressed file":      {true, 11, func([]byte) []byte { return nil }, 11, 20, "the file ends early"},
		"no compressed file at all":     {true, 11, func([]byte) []byte { return []byte("not zstd at all") }, 11, 20, "magic number mismatch"},
		"half a compressed file":        {true, 11, func(b []byte) []byte { return b[:len(b)/2] }, 11, 20, "unexpected EOF"},
		"the first segment":             {true, 1, func([]byte) []byte { return nil }, 1, 10, "the file ends early"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir, o)
			fill(t, j, 45)
			path := filepath.Join(dir, plainName(c.segment))
			if c.seal {
				seal(t, j)
				path = filepath.Join(dir, sealedName(c.segment))
			} else {
				j.sealer.stop() // it may have sealed some
				for i, s := range j.segments {
					if s.sealed {
						unseal(t, j, i)
					}
				}
			}
			edit(t, path, c.change)
			r := j.Reader(0)
			defer r.Close()
			readAll(t, r, 1, c.from-1)
			_, err := r.Next(t.Context())
			var damage *DamageError
			if !errors.As(err, &damage) || !errors.Is(err, ErrDamaged) {
				t.Fatalf("got %v", err)
			}
			if damage.From != c.from || damage.To != c.to || damage.Segment != path || !strings.Contains(damage.Err.Error(), c.cause) {
				t.Errorf("got %v", damage)
			}
			readAll(t, r, c.to+1, 45)
		})
	}
}

// unseal turns a segment back into lines.
func unseal(t *testing.T, j *Journal, i int) {
	t.Helper()
	s := j.segments[i]
	var plain []byte
	f, err := os.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for e, err := range Decode(f) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		plain = append(append(plain, b...), '\n')
	}
	path := filepath.Join(j.dir, plainName(s.first))
	if err := errors.Join(os.WriteFile(path, plain, 0o600), os.Remove(s.path)); err != nil {
		t.Fatal(err)
	}
	j.segments[i] = segment{first: s.first, path: path, bytes: int64(len(plain))}
}

func TestSegmentTakenAwayIsDamage(t *testing.T) {
	j := open(t, t.TempDir(), Options{SegmentBytes: 1020, MaxBytes: 1 << 20, Tail: 1})
	fill(t, j, 45)
	seal(t, j)
	if err := os.Remove(filepath.Join(j.dir, sealedName(11))); err != nil {
		t.Fatal(err)
	}
	r := j.Reader(0)
	defer r.Close()
	readAll(t, r, 1, 10)
	var damage *DamageError
	if _, err := r.Next(t.Context()); !errors.As(err, &damage) || damage.From != 11 || damage.To != 20 || !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	readAll(t, r, 21, 45)
}

func TestDamageInsideTheLastSegmentKeepsWhatFollows(t *testing.T) {
	dir := written(t, Options{}, 10)
	edit(t, filepath.Join(dir, plainName(1)), func(b []byte) []byte {
		return bytes.Replace(b, []byte(`{"seq":4,`), []byte(`{"seq:4,`), 1)
	})
	j := open(t, dir, Options{})
	if j.Last() != 10 || j.Recovered() != (Recovery{}) {
		t.Fatalf("last is %d, recovered %+v", j.Last(), j.Recovered())
	}
	r := j.Reader(0)
	defer r.Close()
	readAll(t, r, 1, 3)
	if _, err := r.Next(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v", err)
	}
	readAll(t, r, 5, 10)
}

func TestOpenClearsWhatAKilledSealerLeft(t *testing.T) {
	o := Options{SegmentBytes: 1020, MaxBytes: 1 << 20, Tail: 1}
	dir := t.TempDir()
	j, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, j, 45)
	seal(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	temp, plain := filepath.Join(dir, sealedName(11)+tempSuffix), filepath.Join(dir, plainName(11))
	for _, path := range []string{temp, plain, filepath.Join(dir, "notes.txt"), filepath.Join(dir, "0.ndjson")} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, dir, o)
	for _, path := range []string{temp, plain} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	r := again.Reader(0)
	defer r.Close()
	readAll(t, r, 1, 45)
}

func TestOpenGoesOnBehindASealedLastSegment(t *testing.T) {
	o := Options{SegmentBytes: 1020, MaxBytes: 1 << 20, Tail: 1}
	dir := t.TempDir()
	j, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, j, 45)
	seal(t, j)
	active := j.activeSegment()
	if err := errors.Join(j.Close(), os.Remove(active.path)); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, o)
	if again.Last() != 40 {
		t.Fatalf("last is %d", again.Last())
	}
	fill(t, again, 60)
	r := again.Reader(0)
	defer r.Close()
	readAll(t, r, 1, 60)
}

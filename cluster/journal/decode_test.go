package journal

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeReadsSegments(t *testing.T) {
	j := open(t, t.TempDir(), Options{SegmentBytes: 1020, MaxBytes: 1 << 20})
	fill(t, j, 15)
	seal(t, j)
	next := uint64(1)
	for _, name := range []string{sealedName(1), plainName(11)} {
		f, err := os.Open(filepath.Join(j.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range Decode(f) {
			if want := line(next); err != nil || !reflect.DeepEqual(e, want) {
				t.Fatalf("got %+v, %v, want %+v", e, err, want)
			}
			next++
		}
		f.Close()
	}
	if next != 16 {
		t.Errorf("ended before %d", next)
	}
}

func TestDecodeNamesTheLine(t *testing.T) {
	good := `{"time":"2026-01-02T15:04:05Z","type":"raft.log","data":{}}` + "\n"
	for name, c := range map[string]struct {
		text   string
		events int
		want   string
	}{
		"empty":       {"", 0, ""},
		"blank lines": {"\n" + good + " \r\n" + good + "\n", 2, ""},
		"bad line":    {good + "\n{}\n" + good, 1, "read recording: line 3: decode event 0: no type"},
		"torn":        {good + good[:20], 1, "read recording: the last line is incomplete: unexpected EOF"},
		"bad zstd":    {string(zstdMagic) + "\x04", 0, "read recording: after line 0: unexpected EOF"},
		"long line":   {good + strings.Repeat("x", MaxEventBytes+2), 1, "read recording: line 2 is longer than 8388608 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			events, got := 0, ""
			for _, err := range Decode(strings.NewReader(c.text)) {
				if err != nil {
					got = err.Error()
				} else {
					events++
				}
			}
			if events != c.events || got != c.want {
				t.Errorf("got %d events, %q; want %d, %q", events, got, c.events, c.want)
			}
		})
	}
}

func TestDecodeStopsWhenAsked(t *testing.T) {
	r := &endless{line: []byte(`{"time":"2026-01-02T15:04:05Z","type":"x","data":1}` + "\n")}
	n := 0
	for _, err := range Decode(r) {
		if n++; err != nil || n == 1000 {
			break
		}
	}
	if n != 1000 {
		t.Errorf("got %d", n)
	}
}

type endless struct {
	line []byte
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.line[e.at:])
	e.at = (e.at + n) % len(e.line)
	return n, nil
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"seq":1,"time":"2026-01-02T15:04:05Z","type":"raft.log","data":{"node":"c1"}}` + "\n"))
	f.Add([]byte("\n\n{}"))
	f.Add(append(bytes.Clone(zstdMagic), 4, 0, 1, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		failed := false
		for e, err := range Decode(io.LimitReader(bytes.NewReader(data), 1<<20)) {
			if failed {
				t.Fatal("something follows the error")
			}
			if failed = err != nil; failed {
				continue
			}
			if _, err := e.MarshalJSON(); err != nil {
				t.Fatalf("decoded what cannot be written: %v", err)
			}
		}
	})
}

package state

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
)

var rewrite = flag.Bool("rewrite", false, "write what the transcripts show into their files")

// start is the time of +0 in the transcripts.
var start = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// A transcript is a file of blocks, parted by blank lines:
//
//	# comment
//	+1.5s node.state {"node":"w1","state":"running"}    an event, 1.5 s after the start
//	show nodes raft                                     what to print of the world
//	----
//	what was printed; -rewrite replaces it
type transcript struct {
	blocks []block
}

type block struct {
	input  []string // comments, events and the show line, as they stand
	output string
}

func parseTranscript(text string) transcript {
	var t transcript
	for chunk := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		input, output, _ := strings.Cut(chunk, "\n----\n")
		t.blocks = append(t.blocks, block{input: strings.Split(strings.TrimSuffix(input, "\n----"), "\n"), output: output})
	}
	return t
}

func (t transcript) String() string {
	chunks := make([]string, len(t.blocks))
	for i, b := range t.blocks {
		chunks[i] = strings.Join(b.input, "\n")
		if b.output != "" {
			chunks[i] += "\n----\n" + b.output
		}
	}
	return strings.Join(chunks, "\n\n") + "\n"
}

// parseEvent reads a line such as `+1s probe {"ok":true}`.
func parseEvent(line string, seq uint64) (event.Event, error) {
	parts := strings.SplitN(line, " ", 3)
	if len(parts) != 3 {
		return event.Event{}, fmt.Errorf("%q: want +TIME TYPE DATA", line)
	}
	after, err := time.ParseDuration(parts[0])
	if err != nil {
		return event.Event{}, fmt.Errorf("%q: %w", line, err)
	}
	wire := fmt.Sprintf(`{"seq":%d,"time":%q,"type":%q,"data":%s}`, seq, start.Add(after).Format(time.RFC3339Nano), parts[1], parts[2])
	var e event.Event
	if err := json.Unmarshal([]byte(wire), &e); err != nil {
		return event.Event{}, fmt.Errorf("%q: %w", line, err)
	}
	if _, unknown := e.Body.(event.Unknown); unknown && !strings.HasPrefix(parts[1], "future.") {
		return event.Event{}, fmt.Errorf("%q: no such type", line)
	}
	return e, nil
}

// events are all events of a transcript, numbered from 1.
func (t transcript) events() ([]event.Event, error) {
	var events []event.Event
	for _, b := range t.blocks {
		for _, line := range b.input {
			if !strings.HasPrefix(line, "+") {
				continue
			}
			e, err := parseEvent(line, uint64(len(events))+1)
			if err != nil {
				return nil, err
			}
			events = append(events, e)
		}
	}
	return events, nil
}

// play gives the transcript with the output that the reducer makes now.
func (t transcript) play() (transcript, error) {
	w := New()
	played := transcript{}
	for _, b := range t.blocks {
		out := block{input: b.input}
		for _, line := range b.input {
			switch {
			case strings.HasPrefix(line, "+"):
				e, err := parseEvent(line, w.Seq+1)
				if err != nil {
					return transcript{}, err
				}
				w.Apply(e)
			case strings.HasPrefix(line, "show "):
				for _, what := range strings.Fields(line)[1:] {
					lines, err := show(w, what)
					if err != nil {
						return transcript{}, err
					}
					out.output += lines
				}
			case !strings.HasPrefix(line, "#"):
				return transcript{}, fmt.Errorf("line %q is no comment, event or show", line)
			}
		}
		out.output = strings.TrimSuffix(out.output, "\n")
		played.blocks = append(played.blocks, out)
	}
	return played, nil
}

func transcripts(t *testing.T) map[string]transcript {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	all := map[string]transcript{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = parseTranscript(string(text))
	}
	return all
}

func TestTranscripts(t *testing.T) {
	for path, want := range transcripts(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			got, err := want.play()
			if err != nil {
				t.Fatal(err)
			}
			if *rewrite {
				if err := os.WriteFile(path, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			for i := range got.blocks {
				if got.blocks[i].output != want.blocks[i].output {
					t.Errorf("after\n%s\ngot\n%s\nwant\n%s", strings.Join(got.blocks[i].input, "\n"), got.blocks[i].output, want.blocks[i].output)
				}
			}
		})
	}
}

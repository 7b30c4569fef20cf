package history

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// op reads "CLIENT CALL-RETURN read VALUE" and "CLIENT CALL-RETURN EXPECT>VALUE
// [conflict|unknown]"; - is the empty value.
func op(t *testing.T, line string) Operation {
	t.Helper()
	o := Operation{Key: "k", Outcome: Done}
	words := strings.Fields(line)
	var call, end int
	if _, err := fmt.Sscanf(words[0]+" "+words[1], "%d %d-%d", &o.Client, &call, &end); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	o.Call, o.Return = time.Duration(call), time.Duration(end)
	value := func(s string) string { return strings.TrimPrefix(s, "-") }
	if words[2] == "read" {
		o.Kind, o.Value = Read, value(words[3])
		return o
	}
	expect, to, _ := strings.Cut(words[2], ">")
	o.Kind, o.Expect, o.Value = Swap, value(expect), to
	if len(words) > 3 {
		o.Outcome = Outcome(words[3])
	}
	return o
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		history string
		want    Verdict
	}{
		"in order":                   {"1 0-1 ->a | 1 2-3 read a | 2 4-5 a>b | 1 6-7 read b", Linearizable},
		"concurrent, either order":   {"1 0-5 ->a | 2 1-6 ->b conflict | 1 7-8 read a", Linearizable},
		"unknown, had its effect":    {"1 0-1 ->a | 2 2-3 a>b unknown | 1 4-5 read b", Linearizable},
		"unknown, effect later":      {"1 0-1 ->a | 2 2-3 a>b unknown | 1 4-5 read a | 1 6-7 read b", Linearizable},
		"unknown, never":             {"1 0-1 ->a | 2 2-3 a>b unknown | 1 4-5 read a | 1 6-7 a>c", Linearizable},
		"unknown explains conflict":  {"1 0-1 ->a | 2 2-3 a>b unknown | 1 4-5 a>c conflict", Linearizable},
		"a lost write":               {"1 0-1 ->a | 1 2-3 a>b | 2 4-5 read a", Violated},
		"lost altogether":            {"1 0-1 ->a | 2 2-3 read -", Violated},
		"a stale read":               {"1 0-1 ->a | 1 2-3 a>b | 2 4-5 read b | 2 6-7 read a", Violated},
		"two swaps of one value":     {"1 0-1 ->a | 1 2-9 a>b | 2 3-8 a>c", Violated},
		"a value nobody wrote":       {"1 0-1 ->a | 2 2-3 read x", Violated},
		"a conflict with nobody":     {"1 0-1 ->a | 2 2-3 a>b conflict", Violated},
		"read before it was written": {"1 0-1 read a | 1 2-3 ->a", Violated},
		"unknown, effect and undone": {"1 0-1 ->a | 2 2-3 a>b unknown | 1 4-5 read b | 1 6-7 read a", Violated},
		"conflict, then it had it":   {"1 0-1 ->a | 1 2-3 a>b conflict | 2 4-5 read b", Violated},
	} {
		var ops []Operation
		for line := range strings.SplitSeq(c.history, " | ") {
			ops = append(ops, op(t, line))
		}
		picture := filepath.Join(t.TempDir(), "picture.html")
		got, err := Check(ops, 10*time.Second, picture)
		if got != c.want || err != nil {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
		if _, err := os.Stat(picture); (err == nil) != (c.want == Violated) {
			t.Errorf("%s: the picture: %v", name, err)
		}
	}
}

// simulate is a history of clients of a register that is right, some of whose
// answers get lost.
func simulate(random *rand.Rand, length int) []Operation {
	state, seen, clock := "", map[int]string{}, 0
	var ops []Operation
	for i := range length {
		client := random.IntN(3)
		// The effect is at one moment within the operation; operations of different
		// clients overlap by stretching both ends.
		clock += 10
		o := Operation{Key: "k", Client: client, Outcome: Done, Call: time.Duration(clock - random.IntN(15)), Return: time.Duration(clock + random.IntN(15))}
		switch random.IntN(3) {
		case 0:
			o.Kind, o.Value = Read, state
			seen[client] = state
		default:
			o.Kind, o.Expect, o.Value = Swap, seen[client], fmt.Sprint("v", i)
			lost := random.IntN(6) == 0
			switch {
			case lost && random.IntN(2) == 0: // never arrived
			case state == o.Expect:
				state, seen[client] = o.Value, o.Value
			default:
				o.Outcome = Conflict
			}
			if lost {
				o.Outcome = Unknown
			}
		}
		ops = append(ops, o)
	}
	return append(ops, Operation{Key: "k", Client: 9, Kind: Read, Value: state, Outcome: Done, Call: time.Duration(clock + 100), Return: time.Duration(clock + 101)})
}

// TestMutations spoils histories that are right, and holds that the checker sees
// each: it would be worth nothing if it could not fail.
func TestMutations(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	mutations := map[string]func([]Operation) bool{
		"the last write is lost": func(ops []Operation) bool {
			last := &ops[len(ops)-1]
			for _, o := range slices.Backward(ops[:len(ops)-1]) {
				if o.Kind == Swap && o.Outcome == Done && o.Value == last.Value {
					last.Value = o.Expect
					return true
				}
			}
			return false
		},
		"a conflict is acknowledged": func(ops []Operation) bool {
			for i := range ops {
				if ops[i].Outcome == Conflict {
					ops[i].Outcome = Done
					return true
				}
			}
			return false
		},
		"a read invents": func(ops []Operation) bool {
			for i := range ops {
				if ops[i].Kind == Read {
					ops[i].Value = "never written"
					return true
				}
			}
			return false
		},
	}
	spoiled := map[string]int{}
	for round := range 200 {
		ops := simulate(random, 40)
		if got, err := Check(ops, 10*time.Second, ""); got != Linearizable || err != nil {
			t.Fatalf("round %d: a register that is right: %s, %v", round, got, err)
		}
		for name, mutate := range mutations {
			bad := slices.Clone(ops)
			if !mutate(bad) {
				continue
			}
			spoiled[name]++
			if got, _ := Check(bad, 10*time.Second, ""); got != Violated {
				t.Errorf("round %d: %s: %s", round, name, got)
			}
		}
	}
	for name := range mutations {
		if spoiled[name] < 20 {
			t.Errorf("%s: only %d histories", name, spoiled[name])
		}
	}
}

func TestLost(t *testing.T) {
	tried := map[string]string{"a": "1", "b": "2", "c": "3"}
	acknowledged := map[string]string{"a": "1", "b": "2"}
	for _, c := range []struct {
		found        map[string]string
		lost, strays string
	}{
		{map[string]string{"a": "1", "b": "2"}, "", ""},
		{map[string]string{"a": "1", "b": "2", "c": "3"}, "", ""},
		{map[string]string{"b": "2"}, "a", ""},
		{map[string]string{"a": "1", "b": "9"}, "b", "b"},
		{map[string]string{"a": "1", "b": "2", "z": "1"}, "", "z"},
	} {
		lost, strays := Lost(acknowledged, tried, c.found)
		if strings.Join(lost, ",") != c.lost || strings.Join(strays, ",") != c.strays {
			t.Errorf("%v: lost %v, strays %v", c.found, lost, strays)
		}
	}
}

func TestHistory(t *testing.T) {
	h := New()
	h.Add(Operation{Key: "a", Kind: Swap, Value: "2", Outcome: Done, Call: 5, Return: 6})
	h.Add(Operation{Key: "a", Kind: Swap, Value: "1", Outcome: Unknown, Call: 3})
	h.Add(Operation{Key: "a", Kind: Read, Outcome: Unknown, Call: 4})
	h.Add(Operation{Key: "b", Kind: Read, Outcome: Done})
	if ops := h.Take("a"); len(ops) != 2 || ops[0].Value != "1" {
		t.Errorf("got %v", ops)
	}
	if ops := h.Take("a"); len(ops) != 0 {
		t.Errorf("taken twice: %v", ops)
	}
}

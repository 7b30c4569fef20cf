package rules_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"workbench/proxy/rules"
)

var update = flag.Bool("update", false, "rewrite the goldens")

func read(t testing.TB, file string) *rules.Ruleset {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	parse := rules.ParseIPTables
	if strings.HasPrefix(file, "nft") {
		parse = rules.ParseNFTables
	}
	set, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestServices holds what is read from the rules of real nodes.
func TestServices(t *testing.T) {
	for _, file := range []string{"iptables-save.txt", "nft.txt"} {
		got, err := json.MarshalIndent(read(t, file).Services, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		golden := "testdata/" + strings.TrimSuffix(file, ".txt") + ".json"
		if *update {
			if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != string(got)+"\n" {
			t.Errorf("%s: read\n%s\nwant\n%s", file, got, want)
		}
	}
}

func TestDiff(t *testing.T) {
	before := read(t, "iptables-save.txt")
	if added, removed := rules.Diff(before, before); len(added)+len(removed) != 0 {
		t.Errorf("of itself: +%v -%v", added, removed)
	}
	text, err := os.ReadFile("testdata/iptables-save.txt")
	if err != nil {
		t.Fatal(err)
	}
	// Another endpoint, and counters that moved.
	changed := strings.NewReplacer("10.244.1.3:8080", "10.244.1.4:8080", "[1:60]", "[7:420]").Replace(string(text))
	after, err := rules.ParseIPTables([]byte(changed))
	if err != nil {
		t.Fatal(err)
	}
	added, removed := rules.Diff(before, after)
	if len(added) != 4 || len(removed) != 4 || !strings.Contains(added[0].Text, "10.244.1.4") || !strings.Contains(removed[0].Text, "10.244.1.3") {
		t.Errorf("+%v -%v", added, removed)
	}
	if added, removed := rules.Diff(nil, before); len(added) != len(before.Rules) || removed != nil {
		t.Errorf("from nothing: +%d -%d", len(added), len(removed))
	}
	const want = `nat KUBE-SVC-CDGGSHYLG3RE2FKL "default/web:http -> 10.244.1.4:8080" -j KUBE-SEP-2AZ33KU3V5PGPQZH`
	if last := added[len(added)-1].Short(); last != want {
		t.Errorf("in short %q, want %q", last, want)
	}
}

// TestOf finds the rules of one service and no other's.
func TestOf(t *testing.T) {
	for _, c := range []struct {
		file, key string
		rules     int
		not       string
	}{
		{"iptables-save.txt", "default/web:http", 11, "web-np"},
		{"iptables-save.txt", "default/web", 11, "web-sticky"},
		{"iptables-save.txt", "default/nobody", 1, "web"},
		{"iptables-save.txt", "default/none", 0, ""},
		{"nft.txt", "default/web:http", 2, "web-np"},
		{"nft.txt", "default/web-sticky", 5, "web-np"},
		{"nft.txt", "default/nobody", 1, "web"},
	} {
		found := read(t, c.file).Of(c.key)
		if len(found) != c.rules {
			t.Errorf("%s: %d rules of %s, want %d: %v", c.file, len(found), c.key, c.rules, found)
		}
		for _, r := range found {
			if c.not != "" && strings.Contains(r.Text, c.not) {
				t.Errorf("%s: %s has %s", c.file, c.key, r.Text)
			}
		}
	}
}

func TestWords(t *testing.T) {
	words := map[string]bool{}
	for _, file := range []string{"iptables-save.txt", "nft.txt"} {
		for _, r := range read(t, file).Rules {
			words[r.Words()] = true
		}
	}
	for _, want := range []string{
		"send the connection to 10.244.1.3:8080", "to 10.96.69.66:80, which is default/web:http", "to node port 30080, which is default/web-np",
		"by chance, 33 % of those that come here", "all that is left", "default/nobody has no endpoint here: the packet is answered with a refusal",
		"this client chose this endpoint in the last 10800 s", "replace the client's address by the node's", "choose by chance, one of 3",
		"look for a Service of that address", "remember the client's choice", "clients outside 10.244.0.0/16: the address is to be replaced",
	} {
		if !words[want] {
			t.Errorf("no rule says %q", want)
		}
	}
}

// TestCounterSources names the rules whose counters count connections.
func TestCounterSources(t *testing.T) {
	set := read(t, "iptables-save.txt")
	n := map[string]int{}
	for _, s := range set.Sources {
		kind := "service"
		if s.Rejects {
			kind = "rejects"
		} else if s.Endpoint != "" {
			kind = "endpoint"
		}
		n[kind+" "+s.Key]++
	}
	for what, want := range map[string]int{"service default/web:http": 1, "endpoint default/web:http": 3, "service default/web-np": 4, "rejects default/nobody": 1} {
		if n[what] != want {
			t.Errorf("%s: %d sources, want %d", what, n[what], want)
		}
	}
}

func TestWhatIsNoListingIsRefused(t *testing.T) {
	if _, err := rules.ParseIPTables([]byte("Segmentation fault")); err == nil {
		t.Error("iptables: accepted")
	}
	if _, err := rules.ParseIPTables([]byte("*nat\n[1] -A X")); err == nil {
		t.Error("iptables: accepted a broken counter")
	}
	if _, err := rules.ParseNFTables([]byte("Operation not permitted")); err == nil {
		t.Error("nft: accepted")
	}
	for _, parse := range []func([]byte) (*rules.Ruleset, error){rules.ParseIPTables, rules.ParseNFTables} {
		if set, err := parse(nil); err != nil || len(set.Rules) != 0 {
			t.Errorf("of nothing: %+v, %v", set, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"iptables-save.txt", "nft.txt"} {
		text, err := os.ReadFile("testdata/" + file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, parse := range []func([]byte) (*rules.Ruleset, error){rules.ParseIPTables, rules.ParseNFTables} {
			set, err := parse(text)
			if err != nil {
				continue
			}
			for _, r := range set.Rules {
				_, _, _ = r.Words(), r.Short(), r.Target()
			}
			for _, s := range set.Services {
				set.Of(s.Key)
				for _, e := range s.Endpoints {
					if e.Cluster < -0.001 || e.Local < -0.001 {
						t.Fatalf("%s has a chance of %v", s.Key, e)
					}
				}
			}
		}
	})
}

// TestLocalPolicyWithoutALocalEndpoint holds that a node which has none of a
// service's endpoints does not pass for one that sends traffic everywhere.
func TestLocalPolicyWithoutALocalEndpoint(t *testing.T) {
	text, err := os.ReadFile("testdata/iptables-save.txt")
	if err != nil {
		t.Fatal(err)
	}
	before := strings.Count(string(text), "\n")
	var kept []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "KUBE-SVL-4UDSYVHJNXWHWIRT") {
			kept = append(kept, line)
		}
	}
	if len(kept) == before {
		t.Fatal("the listing has no local chain")
	}
	set, err := rules.ParseIPTables([]byte(strings.Join(kept, "")))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range set.Services {
		for _, f := range s.Frontends {
			if s.Key == "default/web-np" && f.Kind != rules.Cluster && f.Policy != rules.Local {
				t.Errorf("%s %s is %q, want %q", s.Key, f.Kind, f.Policy, rules.Local)
			}
		}
	}
}

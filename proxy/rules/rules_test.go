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

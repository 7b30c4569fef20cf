package rules

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// ParseIPTables reads the output of iptables-save, with or without -c: the rules
// of the tables nat and filter.
func ParseIPTables(text []byte) (*Ruleset, error) {
	set := &Ruleset{Mode: IPTables}
	chains := map[string][]args{}
	place := map[string]int{}
	table := ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case table != "nat" && table != "filter":
		case strings.HasPrefix(line, "[") || strings.HasPrefix(line, "-A "):
			rule, err := parseSaved(line)
			if err != nil {
				return nil, err
			}
			rule.Table = table
			at := table + " " + rule.Chain
			rule.Ordinal = place[at]
			place[at]++
			set.Rules = append(set.Rules, rule)
			if strings.HasPrefix(rule.Chain, "KUBE-") {
				chains[at] = append(chains[at], parseArgs(rule))
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read iptables-save: %w", err)
	}
	if table == "" && len(bytes.TrimSpace(text)) > 0 {
		return nil, fmt.Errorf("read iptables-save: no table in %d bytes of output", len(text))
	}
	reader := ipReader{chains: chains, builder: newBuilder(), keys: map[string]string{}}
	reader.read()
	set.Services, set.Sources = reader.builder.sorted(), reader.sources
	return set, nil
}

// parseSaved reads "[packets:bytes] -A CHAIN ...".
func parseSaved(line string) (Rule, error) {
	var r Rule
	if strings.HasPrefix(line, "[") {
		head, rest, ok := strings.Cut(line[1:], "] ")
		packets, _, okCount := strings.Cut(head, ":")
		n, err := strconv.ParseUint(packets, 10, 64)
		if !ok || !okCount || err != nil {
			return r, fmt.Errorf("read iptables-save: counters of %q", line)
		}
		r.Packets, line = n, rest
	}
	r.Text = line
	chain, _, _ := strings.Cut(strings.TrimPrefix(line, "-A "), " ")
	r.Chain = chain
	return r, nil
}

// args are the parts of a rule that kube-proxy's rules differ by.
type args struct {
	rule                Rule
	to                  string // -j
	source, destination string // with "! " in front where negated
	protocol            string
	port                int
	comment             string
	probability         float64 // 0 where there is no statistic match
	dnat                string
	affinity            int // --seconds of a recent match
	sourceType          string
}

func parseArgs(r Rule) args {
	a := args{rule: r}
	words := fields(r.Text)
	negated := ""
	for i := 0; i < len(words); i++ {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		switch words[i] {
		case "!":
			negated = "! "
			continue
		case "-j", "-g":
			a.to = value
		case "-s":
			a.source = negated + strings.TrimSuffix(value, "/32")
		case "-d":
			a.destination = negated + strings.TrimSuffix(value, "/32")
		case "-p":
			a.protocol = value
		case "--dport":
			a.port, _ = strconv.Atoi(value)
		case "--comment":
			a.comment = value
		case "--probability":
			a.probability, _ = strconv.ParseFloat(value, 64)
		case "--to-destination":
			a.dnat = value
		case "--seconds":
			a.affinity, _ = strconv.Atoi(value)
		case "--src-type":
			a.sourceType = value
		}
		negated = ""
	}
	return a
}

// fields splits a rule at spaces, but not inside double quotes.
func fields(text string) []string {
	out := make([]string, 0, 24)
	for len(text) > 0 {
		text = strings.TrimLeft(text, " ")
		if strings.HasPrefix(text, `"`) {
			end := 1
			for end < len(text) && text[end] != '"' {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end, len(text))
			word := text[1:end]
			if strings.Contains(word, `\`) {
				word = strings.ReplaceAll(word, `\"`, `"`)
			}
			out = append(out, word)
			text = text[min(end+1, len(text)):]
			continue
		}
		word, rest, _ := strings.Cut(text, " ")
		if word != "" {
			out = append(out, word)
		}
		text = rest
	}
	return out
}

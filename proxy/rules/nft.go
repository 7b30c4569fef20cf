package rules

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// nftTable is the table kube-proxy keeps in nftables mode.
const nftTable = "kube-proxy"

// element is one element of a set or map of nftables.
type element struct {
	key     []string // its parts: address, protocol, port
	comment string
	verdict string // of a map, without goto
}

// nftText is what was read from nft, not interpreted yet.
type nftText struct {
	chains map[string][]Rule
	maps   map[string][]element
	// timeouts of sets, as printed.
	timeouts map[string]string
}

// ParseNFTables reads the output of nft list table ip kube-proxy, with or
// without -a.
func ParseNFTables(text []byte) (*Ruleset, error) {
	set := &Ruleset{Mode: NFTables}
	read := nftText{chains: map[string][]Rule{}, maps: map[string][]element{}, timeouts: map[string]string{}}
	p := nftParser{set: set, read: read}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		p.line(strings.TrimSpace(lines.Text()))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read nft: %w", err)
	}
	if p.table == "" && len(bytes.TrimSpace(text)) > 0 {
		return nil, fmt.Errorf("read nft: no table in %d bytes of output", len(text))
	}
	r := nftReader{read: read, builder: newBuilder()}
	r.readServices()
	set.Services, set.Refusals = r.builder.sorted(), r.refused
	for _, e := range read.maps["nodeport-ips"] {
		set.NodePortIPs = append(set.NodePortIPs, e.key[0])
	}
	return set, nil
}

// ParseRuleset reads the rules, not the elements, of all tables of IPv4 from the
// output of nft -a list ruleset.
func ParseRuleset(text []byte) ([]Rule, error) {
	var out []Rule
	for _, part := range bytes.Split(text, []byte("\n}")) {
		head, _, _ := strings.Cut(strings.TrimSpace(string(part)), "\n")
		words := strings.Fields(head)
		if len(words) < 3 || words[0] != "table" || words[1] != "ip" && words[1] != "inet" {
			continue
		}
		p := nftParser{set: &Ruleset{}, read: nftText{chains: map[string][]Rule{}, maps: map[string][]element{}, timeouts: map[string]string{}}, any: true}
		for line := range strings.Lines(string(part)) {
			p.line(strings.TrimSpace(line))
		}
		for _, r := range p.set.Rules {
			if !r.Element {
				out = append(out, r)
			}
		}
	}
	if len(out) == 0 && len(bytes.TrimSpace(text)) > 0 {
		return nil, fmt.Errorf("read nft: no rule in %d bytes of output", len(text))
	}
	return out, nil
}

// nftParser reads line by line: a table holds chains, sets and maps.
type nftParser struct {
	set      *Ruleset
	read     nftText
	table    string
	kind     string // chain, set, map; "" outside
	name     string
	elements strings.Builder // of the open set, until its closing brace
	open     bool
	any      bool // tables, not only kube-proxy's
}

func (p *nftParser) line(text string) {
	text, handle := cutHandle(text)
	first, rest, _ := strings.Cut(text, " ")
	switch {
	case p.open:
		p.element(text)
	case text == "}":
		p.kind = ""
	case first == "table" && strings.HasSuffix(text, "{"):
		words := strings.Fields(rest)
		if len(words) > 1 {
			p.table = words[1]
		}
	case p.kind == "" && (first == "chain" || first == "set" || first == "map") && strings.HasSuffix(text, "{"):
		p.kind, p.name = first, strings.TrimSuffix(rest, " {")
	case p.kind == "chain" && (p.any || p.table == nftTable):
		p.rule(text, handle)
	case p.kind == "set" && first == "timeout":
		p.read.timeouts[p.name] = rest
	case p.kind != "" && first == "elements" && p.table == nftTable:
		p.open = true
		p.elements.Reset()
		p.element(strings.TrimPrefix(text, "elements = {"))
	}
}

// cutHandle takes the handle that nft -a prints from the end of a line.
func cutHandle(text string) (string, uint64) {
	i := strings.LastIndex(text, " # handle ")
	if i < 0 {
		return text, 0
	}
	handle, err := strconv.ParseUint(text[i+len(" # handle "):], 10, 64)
	if err != nil {
		return text, 0
	}
	return text[:i], handle
}

func (p *nftParser) rule(text string, handle uint64) {
	if text == "" || strings.HasPrefix(text, "type ") || strings.HasPrefix(text, "comment ") {
		return
	}
	r := Rule{Table: p.table, Chain: p.name, Ordinal: len(p.read.chains[p.name]), Handle: handle, Text: text}
	p.read.chains[p.name] = append(p.read.chains[p.name], r)
	p.set.Rules = append(p.set.Rules, r)
}

// element gathers the lines of elements until the brace that ends them.
func (p *nftParser) element(text string) {
	end := strings.HasSuffix(text, "}")
	p.elements.WriteString(strings.TrimSuffix(text, "}"))
	p.elements.WriteByte(' ')
	if !end {
		return
	}
	p.open = false
	for i, part := range splitElements(p.elements.String()) {
		e := parseElement(part)
		p.read.maps[p.name] = append(p.read.maps[p.name], e)
		if !strings.HasPrefix(p.name, "affinity-") { // these are clients, not rules
			p.set.Rules = append(p.set.Rules, Rule{Table: p.table, Chain: p.name, Ordinal: i, Element: true, Text: "{ " + part + " }"})
		}
	}
}

// splitElements splits at commas outside of quotes.
func splitElements(text string) []string {
	var out []string
	quoted, start := false, 0
	for i := 0; i <= len(text); i++ {
		switch {
		case i == len(text) || text[i] == ',' && !quoted:
			if part := strings.TrimSpace(text[start:i]); part != "" {
				out = append(out, part)
			}
			start = i + 1
		case text[i] == '"':
			quoted = !quoted
		}
	}
	return out
}

// parseElement reads `10.96.0.1 . tcp . 443 comment "x" : goto chain`.
func parseElement(text string) element {
	var e element
	key, verdict, _ := strings.Cut(text, " : ")
	if i := strings.Index(key, ` comment "`); i >= 0 {
		e.comment = strings.Trim(key[i+len(" comment "):], `"`)
		key = key[:i]
	}
	for _, part := range strings.Split(key, " . ") {
		e.key = append(e.key, strings.TrimSpace(part))
	}
	e.verdict = strings.TrimPrefix(strings.TrimSpace(verdict), "goto ")
	return e
}

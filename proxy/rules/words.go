package rules

import (
	"fmt"
	"strings"
)

// Target is the chain a rule sends packets to, or "".
func (r Rule) Target() string {
	switch r.Table {
	case nftTable:
		return target(r.Text)
	case userspaceTable:
		return ""
	}
	return parseArgs(r).to
}

// serviceChain says that a chain belongs to one service.
func serviceChain(name string) bool {
	for _, prefix := range []string{"KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-", "service-", "local-", "external-", "firewall-", "endpoint-"} {
		if strings.HasPrefix(name, prefix) {
			return name != "service-endpoints-check" && name != "firewall-check"
		}
	}
	return false
}

// names says that the rule is about a service port, or about any port of a
// service when key has none.
func (r Rule) names(key string) bool {
	of := ""
	if r.Table == userspaceTable {
		of = r.Chain
	} else if r.Table != nftTable {
		if a := parseArgs(r); a.comment != "" {
			of = serviceIn(a.comment)
		}
	} else {
		e := parseElement(strings.Trim(r.Text, "{} "))
		of = e.comment
		for _, chain := range []string{r.Chain, target(r.Text), e.verdict} {
			if name, _, ok := serviceOf(chain); ok && serviceChain(chain) {
				of = name
			}
		}
	}
	return of == key || !strings.Contains(key, ":") && strings.HasPrefix(of, key+":")
}

// serviceIn finds the service port among the words of a comment.
func serviceIn(comment string) string {
	for _, word := range strings.Fields(comment) {
		if strings.Contains(word, "/") && !strings.ContainsAny(word, "()") {
			return word
		}
	}
	return ""
}

// Words says in a sentence what a rule does; its comment where that says it, ""
// where there is nothing to add.
func (r Rule) Words() string {
	switch r.Table {
	case nftTable:
		return nftWords(r)
	case userspaceTable:
		return "" // it is words
	}
	a := parseArgs(r)
	name := serviceIn(a.comment)
	switch {
	case a.dnat != "":
		return "send the connection to " + a.dnat
	case a.to == "MASQUERADE":
		return "replace the client's address by the node's"
	case a.to == "REJECT":
		return refusalWords(name, "is answered with a refusal")
	case a.to == "DROP":
		return refusalWords(name, "is dropped")
	case a.to == "KUBE-MARK-MASQ" && a.source != "" && !strings.HasPrefix(a.source, "! "):
		return "a pod that reaches itself: its address is to be replaced"
	case a.to == "KUBE-MARK-MASQ":
		return masqueradeWords(a) + ": the address is to be replaced"
	case a.to == "MARK" && strings.Contains(r.Text, "0x4000/0x4000"):
		return "mark the packet: its source is to be replaced"
	case a.to == "MARK":
		return "take the mark off"
	case a.to == "RETURN" && strings.Contains(r.Text, "! --mark"):
		return "no mark, so the source stays"
	case strings.HasPrefix(a.to, "KUBE-SEP-") && a.affinity > 0:
		return fmt.Sprintf("this client chose this endpoint in the last %d s", a.affinity)
	case strings.HasPrefix(a.to, "KUBE-SEP-") && a.probability > 0:
		return fmt.Sprintf("by chance, %.0f %% of those that come here", 100*a.probability)
	case strings.HasPrefix(a.to, "KUBE-SEP-"):
		return "all that is left"
	case a.port > 0 && a.destination != "" && serviceChain(a.to):
		return fmt.Sprintf("to %s:%d, which is %s", a.destination, a.port, name)
	case a.port > 0 && serviceChain(a.to):
		return fmt.Sprintf("to node port %d, which is %s", a.port, name)
	case a.to == "KUBE-SERVICES":
		return "look for a Service of that address"
	case a.to == "KUBE-POSTROUTING":
		return "look whether the source is to be replaced"
	case a.to == "TRACE":
		return "the workbench traces this packet"
	case a.to == "ACCEPT":
		return "let it pass"
	}
	return a.comment
}

func refusalWords(name, what string) string {
	if name == "" {
		return "the packet " + what
	}
	return name + " has no endpoint here: the packet " + what
}

func nftWords(r Rule) string {
	switch t := r.Text; {
	case strings.Contains(t, "@no-endpoint-services"), strings.Contains(t, "@no-endpoint-nodeports"):
		return "look whether the Service has no endpoint"
	case strings.Contains(t, "@firewall-ips"):
		return "look whether only some clients may come"
	case strings.Contains(t, "vmap @service-ips"):
		return "look for a Service of that address"
	case strings.Contains(t, "vmap @service-nodeports"):
		return "look for a Service of that node port"
	case strings.Contains(t, "numgen random mod"):
		_, n, _ := strings.Cut(t, "numgen random mod ")
		n, _, _ = strings.Cut(n, " ")
		return "choose by chance, one of " + n
	case strings.HasPrefix(t, "ip saddr @affinity-"):
		return "this client chose this endpoint before"
	case strings.HasPrefix(t, "update @affinity-"):
		return "remember the client's choice"
	case strings.Contains(t, "dnat to "):
		_, to, _ := strings.Cut(t, "dnat to ")
		return "send the connection to " + to
	case strings.Contains(t, "@hairpin-connections"):
		return "a pod that reaches itself: its address is replaced"
	case strings.Contains(t, "masquerade fully-random"):
		return "replace the client's address by the node's"
	case strings.Contains(t, "mark set"):
		return "mark the packet: its source is to be replaced"
	case strings.HasPrefix(t, "reject"), strings.Contains(t, " reject"):
		return "the packet is answered with a refusal"
	case strings.Contains(t, " drop"):
		return "the packet is dropped"
	}
	return ""
}

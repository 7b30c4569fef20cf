package fault

import (
	"slices"
	"strings"

	"workbench/cluster/event"
)

// Complete gives what the last word of a fault that is being typed can be, as
// whole texts. An empty last word asks for all that can follow.
func Complete(text string, lab Lab) []string {
	head, last := "", text
	if i := strings.LastIndexByte(text, ' '); i >= 0 {
		head, last = text[:i+1], text[i+1:]
	}
	words := strings.Fields(head)
	var options []string
	if len(words) == 0 {
		options = known()
	} else {
		options = lab.follow(words)
	}
	// Only the part after the last separator of a list is completed.
	prefix := ""
	if i := strings.LastIndexAny(last, ",>"); i >= 0 {
		prefix, last = last[:i+1], last[i+1:]
	} else if i := strings.LastIndexByte(last, '/'); i >= 0 && len(words) > 0 && words[0] == Partition {
		prefix, last = last[:i+1], last[i+1:]
	}
	var out []string
	for _, o := range options {
		if strings.HasPrefix(o, last) {
			out = append(out, head+prefix+o)
		}
	}
	return out
}

// follow is what can stand behind some words of a fault.
func (l Lab) follow(words []string) []string {
	kind, args := words[0], words[1:]
	switch args := args; {
	case len(args) > 0 && args[len(args)-1] == "--for":
		return []string{"30s", "2m", "10m", "ever"}
	case len(args) > 0 && args[len(args)-1] == "--leave":
		return []string{"50Mi", "1Gi"}
	case len(args) > 0 && args[len(args)-1] == "--jitter":
		return []string{"10ms", "20ms"}
	}
	names := append(l.names(), "*")
	flags := []string{"--for"}
	isName := func(word string) bool {
		return word == event.Outside || slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(word, n) }) || strings.Contains(word, "*")
	}
	last := ""
	if len(args) > 0 {
		last = args[len(args)-1]
	}
	switch kind {
	case Cut, Loss, Delay, Rate:
		value := map[string][]string{Loss: {"30%", "5%"}, Delay: {"80ms", "500ms"}, Rate: {"10mbit", "1mbit"}}[kind]
		switch {
		case len(args) == 0:
			return append(names, event.Outside)
		case len(args) == 1 && isName(last) && !strings.Contains(last, "->"):
			return slices.Concat(names, []string{event.Outside}, value, flags)
		case isName(last):
			return append(value, flags...)
		case kind == Delay:
			return append(flags, "--jitter")
		}
	case Kill, Freeze:
		if len(args) == 0 {
			return append(names, l.components()...)
		}
	case DiskFull:
		if len(args) == 0 {
			return l.withDisk()
		}
		return append(flags, "--leave")
	case EtcdLoseDisk, EtcdCorrupt:
		if len(args) == 0 {
			return l.withEtcd()
		}
	case CertExpire:
		if len(args) == 0 {
			return append(names, l.certified()...)
		}
	case CrashLoop:
		if len(args) == 0 {
			return l.components()
		}
	case ImageGone:
		if len(args) == 0 {
			return l.Pods
		}
		return append(l.names(), flags...)
	case PodKill, PodOOM:
		if len(args) == 0 {
			return l.Pods
		}
		return nil
	case Squeeze:
		switch {
		case len(args) == 0:
			return l.names()
		case last == "memory":
			return []string{"300Mi", "1Gi"}
		case last == "cpu":
			return []string{"0.2", "1"}
		case len(args) == 1:
			return []string{"memory", "cpu"}
		}
	default:
		if len(args) == 0 {
			return names
		}
	}
	return flags
}

func (l Lab) components() []string {
	var out []string
	for _, n := range l.Nodes {
		for _, c := range n.Components {
			out = append(out, n.Name+"/"+c)
		}
	}
	return out
}

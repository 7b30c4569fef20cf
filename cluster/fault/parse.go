package fault

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of what a request may ask for.
const (
	MaxDelay  = time.Minute
	MaxLease  = 7 * 24 * time.Hour
	MinRate   = 8_000           // bits/s
	MaxRate   = 100_000_000_000 // bits/s
	MinMemory = 1 << 20         // bytes
	maxText   = 4096
)

// Parse reads a fault in the grammar, such as "delay w1 80ms --jitter 20ms".
func Parse(text string) (Request, error) {
	if len(text) > maxText {
		return Request{}, fmt.Errorf("a fault of %d characters; %d are the most", len(text), maxText)
	}
	return ParseArgs(strings.Fields(text))
}

// ParseArgs is Parse of words.
func ParseArgs(words []string) (Request, error) {
	p := &parser{}
	r := Request{Lease: DefaultLease}
	if err := p.flags(words, &r); err != nil {
		return Request{}, err
	}
	if len(p.words) == 0 {
		return Request{}, errors.New("which fault? Such as: cut c1 c2, delay w1 80ms, kill c1/etcd")
	}
	kind, ok := KindOf(p.words[0])
	if !ok {
		return Request{}, fmt.Errorf("no fault %q; there are %s%s", p.words[0], strings.Join(known(), ", "), hint(p.words[0]))
	}
	r.Kind, p.words = kind.Word, p.words[1:]
	kind.parse(p, &r)
	if p.err == nil && len(p.words) > 0 {
		p.err = fmt.Errorf("%q is too much", strings.Join(p.words, " "))
	}
	if p.err == nil && r.Jitter > 0 && kind.Word != Delay {
		p.err = errors.New("--jitter goes with delay")
	}
	if p.err == nil && r.LeaveBytes > 0 && kind.Word != DiskFull {
		p.err = errors.New("--leave goes with disk-full")
	}
	if p.err == nil && r.OneWay && len(r.To) == 0 {
		p.err = errors.New("one way needs two ends, such as c1->c2")
	}
	if p.err != nil {
		return Request{}, fmt.Errorf("%s: %w; want: %s %s", kind.Word, p.err, kind.Word, kind.Usage)
	}
	if kind.Once {
		r.Lease = 0
	}
	return r, nil
}

func known() []string {
	var out []string
	for _, k := range kinds() {
		out = append(out, k.Word)
	}
	return out
}

// hint explains words of other tools.
func hint(word string) string {
	switch word {
	case "pause":
		return "; pause is called freeze"
	case "restart":
		return "; restart is no fault: workbench component restart"
	}
	return ""
}

// parser holds the words that are left, and the first error.
type parser struct {
	words []string
	err   error
}

// flags takes the flags out of the words; they may stand anywhere.
func (p *parser) flags(words []string, r *Request) error {
	for i := 0; i < len(words); i++ {
		name, value, has := strings.Cut(words[i], "=")
		if !strings.HasPrefix(name, "--") && name != "-y" {
			p.words = append(p.words, words[i])
			continue
		}
		switch name {
		case "--yes", "-y", "--one-way":
			if has {
				return fmt.Errorf("%s takes no value", name)
			}
			r.Yes, r.OneWay = r.Yes || name != "--one-way", r.OneWay || name == "--one-way"
			continue
		case "--for", "--jitter", "--leave":
		default:
			return fmt.Errorf("no flag %s; there are --for, --jitter, --leave, --one-way and --yes", name)
		}
		if !has {
			if i++; i >= len(words) {
				return fmt.Errorf("%s needs a value, such as %s %s", name, name, map[bool]string{true: "50Mi", false: "30s"}[name == "--leave"])
			}
			value = words[i]
		}
		if name == "--leave" {
			if r.LeaveBytes = p.bytes(value); p.err != nil {
				return fmt.Errorf("--leave: %w", p.err)
			}
			continue
		}
		if name == "--for" && (value == "ever" || value == "forever") {
			r.Lease = 0
			continue
		}
		d, err := time.ParseDuration(value)
		switch {
		case err != nil || d <= 0:
			return fmt.Errorf("%s %s: want a duration, such as 30s", name, value)
		case name == "--for" && d > MaxLease:
			return fmt.Errorf("%s %s: at most %v, or ever", name, value, MaxLease)
		case name == "--for":
			r.Lease = d
		default:
			r.Jitter = d
		}
	}
	return nil
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// next takes the next word.
func (p *parser) next(what string) string {
	if len(p.words) == 0 {
		p.fail("%s is missing", what)
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

// last takes the last word.
func (p *parser) last(what string) string {
	if len(p.words) < 2 {
		p.fail("%s is missing", what)
		return ""
	}
	word := p.words[len(p.words)-1]
	p.words = p.words[:len(p.words)-1]
	return word
}

// list reads a list of names with commas.
func (p *parser) list(text string) []string {
	var out []string
	for name := range strings.SplitSeq(text, ",") {
		switch {
		case name == "":
			p.fail("an empty name in %q", text)
		case strings.ContainsAny(name, "<>|=\"'` \t\n"):
			p.fail("%q is no name", name)
		case !slices.Contains(out, name):
			out = append(out, name)
		}
	}
	return out
}

func (p *parser) process(r *Request) { r.Targets = p.list(p.next("the node or component")) }

func (p *parser) nodes(r *Request) {
	r.Targets = p.list(p.next("the node"))
	for _, t := range r.Targets {
		if strings.Contains(t, "/") {
			p.fail("%q is no node", t)
		}
	}
}

func (p *parser) components(r *Request) {
	r.Targets = p.list(p.next("the component"))
	p.slashed(r.Targets, "component, such as c1/kube-scheduler")
}

func (p *parser) pods(r *Request) {
	r.Targets = p.list(p.next("the pod"))
	p.slashed(r.Targets, "pod, such as default/web-1")
}

// image reads an image, or a pod for those that it uses, and nodes.
func (p *parser) image(r *Request) {
	r.Targets = []string{p.next("the image or pod")}
	if strings.ContainsAny(r.Targets[0], "<>|=\"'`, ") {
		p.fail("%q is no image", r.Targets[0])
	}
	if len(p.words) > 0 {
		r.On = p.list(p.next("the node"))
	}
}

func (p *parser) slashed(targets []string, what string) {
	for _, t := range targets {
		if head, tail, ok := strings.Cut(t, "/"); !ok || head == "" || tail == "" || strings.Contains(tail, "/") {
			p.fail("%q is no %s", t, what)
		}
	}
}

func (p *parser) squeeze(r *Request) {
	r.Targets = p.list(p.next("the node"))
	for p.err == nil && (len(p.words) > 0 || r.MemoryBytes == 0 && r.CPUs == 0) {
		switch what := p.next("memory or cpu"); what {
		case "memory":
			r.MemoryBytes = p.bytes(p.next("how much memory, such as 300Mi"))
		case "cpu":
			text := p.next("how many processors, such as 0.2")
			v, err := strconv.ParseFloat(text, 64)
			if err != nil || math.IsNaN(v) || v < 0.01 || v > 1024 {
				p.fail("%q processors; want a number from 0.01 on", text)
			}
			r.CPUs = math.Round(v*1000) / 1000
		default:
			p.fail("%q is neither memory nor cpu", what)
		}
	}
	for _, t := range r.Targets {
		if strings.Contains(t, "/") {
			p.fail("%q is no node", t)
		}
	}
}

func (p *parser) bytes(text string) int64 {
	factor, number := int64(1), text
	for _, u := range memoryUnits {
		if n, ok := strings.CutSuffix(text, u.name); ok {
			factor, number = u.factor, n
			break
		}
	}
	v, err := strconv.ParseInt(number, 10, 64)
	if err != nil || v <= 0 || v > math.MaxInt64/factor || v*factor < MinMemory {
		p.fail("%q is no size; want at least 1Mi, such as 300Mi", text)
		return 0
	}
	return v * factor
}

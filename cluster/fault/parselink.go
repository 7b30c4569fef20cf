package fault

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ends reads A, A B, A->B.
func (p *parser) ends(r *Request) {
	text := strings.ReplaceAll(strings.Join(p.words, " "), "→", "->")
	p.words = nil
	from, to, arrow := strings.Cut(text, "->")
	if arrow {
		r.OneWay = true
		r.From, r.To = p.list(strings.TrimSpace(from)), p.list(strings.TrimSpace(to))
		return
	}
	switch words := strings.Fields(strings.ReplaceAll(text, "<", " ")); len(words) {
	case 1:
		r.From = p.list(words[0])
	case 2:
		r.From, r.To = p.list(words[0]), p.list(words[1])
	case 0:
		p.fail("which link?")
	default:
		p.fail("%q are more than two ends; join names with commas", text)
	}
	for _, end := range append(slices.Clone(r.From), r.To...) {
		if strings.Contains(end, "/") {
			p.fail("%q is no node: links are between nodes", end)
		}
	}
}

func (p *parser) cut(r *Request) { p.ends(r) }

func (p *parser) loss(r *Request) {
	text := p.last("the share, such as 30%")
	r.Loss = p.share(text)
	p.ends(r)
}

func (p *parser) share(text string) float64 {
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) {
		p.fail("%q is no share, such as 30%%", text)
		return 0
	}
	if percent {
		v /= 100
	}
	if v < 1e-5 || v > 1 {
		p.fail("a share of %s; want one above 0%% and up to 100%%", text)
	}
	return math.Round(v*1e6) / 1e6
}

func (p *parser) delay(r *Request) {
	text := p.last("how long, such as 80ms")
	d, err := time.ParseDuration(text)
	switch {
	case p.err != nil:
	case err != nil || d <= 0:
		p.fail("%q is no delay, such as 80ms", text)
	case d > MaxDelay:
		p.fail("a delay of %s; %v is the most", text, MaxDelay)
	case r.Jitter > d:
		p.fail("a jitter of %v is more than the delay of %v", r.Jitter, d)
	}
	r.Delay = d
	p.ends(r)
}

func (p *parser) rate(r *Request) {
	text := p.last("how much, such as 10mbit")
	r.Rate = p.bits(text)
	p.ends(r)
}

func (p *parser) bits(text string) int64 {
	lower := strings.TrimSuffix(strings.ToLower(text), "/s")
	for _, u := range rateUnits {
		number, ok := strings.CutSuffix(lower, u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(number, 64)
		bits := v * float64(u.factor)
		if err != nil || math.IsNaN(v) || bits < MinRate || bits > MaxRate {
			p.fail("a rate of %s; want %s to %s", text, BitRate(MinRate), BitRate(MaxRate))
			return 0
		}
		return int64(bits)
	}
	p.fail("%q is no rate, such as 10mbit", text)
	return 0
}

func (p *parser) partition(r *Request) {
	text := strings.NewReplacer(" ", "", "|", "/").Replace(strings.Join(p.words, " "))
	p.words = nil
	if text == "" {
		p.fail("which groups?")
		return
	}
	for side := range strings.SplitSeq(text, "/") {
		r.Groups = append(r.Groups, p.list(side))
	}
	if len(r.Groups) < 2 {
		p.fail("only one group; part groups with /")
	}
}

func (p *parser) cutOff(r *Request) {
	r.From = p.list(p.next("the node"))
	for _, name := range r.From {
		if strings.Contains(name, "/") {
			p.fail("%q is no node", name)
		}
	}
}

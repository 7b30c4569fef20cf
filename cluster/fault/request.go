package fault

import (
	"strconv"
	"strings"
	"time"
)

// Request is a fault as somebody asked for it: names may be patterns.
type Request struct {
	Kind string
	// From and To are the ends of links; To is empty where From alone is named.
	From, To []string
	OneWay   bool
	// Groups are the sides of a partition.
	Groups [][]string
	// Targets are nodes, node/component or namespace/pod.
	Targets []string
	// On are the nodes that lose an image; empty means all that have it, or that of
	// the pod.
	On []string

	Loss        float64 // 0 to 1
	Delay       time.Duration
	Jitter      time.Duration
	Rate        int64 // bits/s
	CPUs        float64
	MemoryBytes int64
	LeaveBytes  int64 // of a full disk

	Lease time.Duration // 0 is for ever
	// Yes says that the consequences are known.
	Yes bool
}

// String is the request in the canonical form of its grammar, without Yes.
func (r Request) String() string {
	words := []string{r.Kind}
	switch {
	case r.Kind == Partition:
		var sides []string
		for _, g := range r.Groups {
			sides = append(sides, strings.Join(g, ","))
		}
		words = append(words, strings.Join(sides, "/"))
	case len(r.From) > 0 && r.OneWay:
		words = append(words, strings.Join(r.From, ",")+"->"+strings.Join(r.To, ","))
	case len(r.From) > 0:
		words = append(words, strings.Join(r.From, ","))
		if len(r.To) > 0 {
			words = append(words, strings.Join(r.To, ","))
		}
	default:
		words = append(words, strings.Join(r.Targets, ","))
		if len(r.On) > 0 {
			words = append(words, strings.Join(r.On, ","))
		}
	}
	switch r.Kind {
	case Loss:
		words = append(words, Percent(r.Loss))
	case Delay:
		words = append(words, r.Delay.String())
	case Rate:
		words = append(words, BitRate(r.Rate))
	}
	if r.MemoryBytes > 0 {
		words = append(words, "memory", quantity(r.MemoryBytes))
	}
	if r.CPUs > 0 {
		words = append(words, "cpu", strconv.FormatFloat(r.CPUs, 'f', -1, 64))
	}
	if r.LeaveBytes > 0 {
		words = append(words, "--leave", quantity(r.LeaveBytes))
	}
	if r.Jitter > 0 {
		words = append(words, "--jitter", r.Jitter.String())
	}
	if k, _ := KindOf(r.Kind); !k.Once {
		switch r.Lease {
		case DefaultLease:
		case 0:
			words = append(words, "--for", "ever")
		default:
			words = append(words, "--for", r.Lease.String())
		}
	}
	return strings.Join(words, " ")
}

// Percent is a share as the grammar has it: 30%.
func Percent(share float64) string {
	return strconv.FormatFloat(share*100, 'g', 6, 64) + "%"
}

// BitRate is a rate in bits/s as the grammar has it: 10mbit.
func BitRate(bits int64) string {
	for _, u := range rateUnits {
		if bits >= u.factor && bits%u.factor == 0 {
			return strconv.FormatInt(bits/u.factor, 10) + u.name
		}
	}
	return strconv.FormatInt(bits, 10) + "bit"
}

func quantity(bytes int64) string {
	for _, u := range memoryUnits {
		if bytes >= u.factor && bytes%u.factor == 0 {
			return strconv.FormatInt(bytes/u.factor, 10) + u.name
		}
	}
	return strconv.FormatInt(bytes, 10)
}

type unit struct {
	name   string
	factor int64
}

// The units, largest first.
var (
	rateUnits   = []unit{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}}
	memoryUnits = []unit{{"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}, {"G", 1e9}, {"M", 1e6}, {"k", 1e3}, {"K", 1e3}}
)

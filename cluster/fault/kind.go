// Package fault is the pure core of what a lab can have broken on purpose.
//
//	"delay w1 80ms" --Parse--> Request --Resolve(nodes, pods)--> event.FaultInjected
//	the faults that are on --Render--> Desired: per link, per node, per component
//
// A fault is desired state: whatever set of them is on, in whatever order they
// came and go, the same set renders the same conditions. The supervisor makes
// the kernel follow. The package knows no clock and does no I/O, so the
// command line, the app's palette and the supervisor share it.
package fault

import (
	"slices"
	"strings"
	"time"
)

// DefaultLease is how long a fault lasts when nobody says for how long.
const DefaultLease = 10 * time.Minute

// Kind is one way of breaking things.
type Kind struct {
	// Word begins it in the grammar.
	Word string
	// Usage is its grammar after the word.
	Usage string
	// Text says in a sentence what it does.
	Text string
	// Once says that it is over as soon as it happened: there is nothing to heal.
	Once  bool
	parse func(*parser, *Request)
}

// The words of the kinds.
const (
	Cut       = "cut"
	Loss      = "loss"
	Delay     = "delay"
	Rate      = "rate"
	Partition = "partition"
	CutOff    = "outside"
	Kill      = "kill"
	Freeze    = "freeze"
	Stop      = "stop"
	CrashLoop = "crashloop"
	Squeeze   = "squeeze"
	DiskFull  = "disk-full"
	Cordon    = "cordon"
	Drain     = "drain"
	PodKill   = "pod-kill"
	PodOOM    = "pod-oom"
	ImageGone = "image-gone"

	EtcdLoseDisk = "etcd-lose-disk"
	EtcdCorrupt  = "etcd-corrupt"
	CertExpire   = "cert-expire"
)

// kinds is the grammar, in the order of the help. It is a function for its
// parsers name it.
func kinds() []Kind {
	return []Kind{
		{Word: Cut, Usage: "A [B] | A->B", Text: "no packet passes: to any port, of any connection, also established ones", parse: (*parser).cut},
		{Word: Loss, Usage: "A [B] | A->B  30%", Text: "that share of packets is dropped, in each direction", parse: (*parser).loss},
		{Word: Delay, Usage: "A [B] | A->B  80ms [--jitter 20ms]", Text: "each packet is held back that long, in each direction", parse: (*parser).delay},
		{Word: Rate, Usage: "A [B] | A->B  10mbit", Text: "no more than that passes, in each direction", parse: (*parser).rate},
		{Word: Partition, Usage: "A,B/C,D[/…]", Text: "every link between the groups is cut", parse: (*parser).partition},
		{Word: CutOff, Usage: "A", Text: "the link to the host is cut: the lab's API port, probes, image pulls", parse: (*parser).cutOff},
		{Word: Kill, Usage: "A | A/COMPONENT", Text: "SIGKILL: power loss for a node; a component is held down", parse: (*parser).process},
		{Word: Freeze, Usage: "A | A/COMPONENT", Text: "SIGSTOP: it is there, keeps its connections, and does nothing", parse: (*parser).process},
		{Word: Stop, Usage: "A", Text: "the node is shut down in order", parse: (*parser).nodes},
		{Word: CrashLoop, Usage: "A/COMPONENT", Text: "it dies half a second after each start", parse: (*parser).components},
		{Word: Squeeze, Usage: "A memory 300Mi | A cpu 0.2", Text: "the node's control group gets less", parse: (*parser).squeeze},
		{Word: DiskFull, Usage: "A [--leave 50Mi]", Text: "the node's disk is full: no room for volumes, logs and what containers write", parse: (*parser).nodes},
		{Word: Cordon, Usage: "A", Text: "no new pod is scheduled to the node", parse: (*parser).nodes},
		{Word: Drain, Usage: "A", Text: "cordon, then evict its pods", parse: (*parser).nodes},
		{Word: EtcdLoseDisk, Usage: "A", Text: "the data directory of its etcd member is emptied; healing replaces the member", parse: (*parser).nodes},
		{Word: EtcdCorrupt, Usage: "A", Text: "a byte of its etcd member's write-ahead log is inverted; healing replaces the member", parse: (*parser).nodes},
		{Word: CertExpire, Usage: "A | A/COMPONENT", Text: "its certificates expired an hour ago, and it starts anew with them", parse: (*parser).process},
		{Word: ImageGone, Usage: "IMAGE | NAMESPACE/POD [A]", Text: "the node loses the image and cannot pull it: what runs stays, what starts fails", parse: (*parser).image},
		{Word: PodKill, Usage: "NAMESPACE/POD", Text: "SIGKILL to every container of the pod, behind the kubelet's back", Once: true, parse: (*parser).pods},
		{Word: PodOOM, Usage: "NAMESPACE/POD", Text: "the kernel's OOM killer ends a container of the pod", Once: true, parse: (*parser).pods},
	}
}

// Kinds are all kinds, in the order of the help.
func Kinds() []Kind { return kinds() }

// KindOf is the kind with that word.
func KindOf(word string) (Kind, bool) {
	all := kinds()
	i := slices.IndexFunc(all, func(k Kind) bool { return k.Word == word })
	if i < 0 {
		return Kind{}, false
	}
	return all[i], true
}

// Grammar is the help on all kinds, one a line.
func Grammar() string {
	var b strings.Builder
	for _, k := range kinds() {
		line := "  " + k.Word + " " + k.Usage
		b.WriteString(line + strings.Repeat(" ", max(50-len([]rune(line)), 2)) + k.Text + "\n")
	}
	return b.String()
}

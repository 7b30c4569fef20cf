// Command coredns is the cluster's name service: upstream's CoreDNS with the
// plugins that a cluster uses. Their order is upstream's own
// (core/dnsserver/zdirectives.go), with the one of ours where it sees every lookup
// and its answer.
package main

import (
	"slices"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/autopath"
	_ "github.com/coredns/coredns/plugin/bufsize"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/rewrite"
	_ "github.com/coredns/coredns/plugin/template"

	"workbench/runtime/image/coredns/tell"
	"workbench/runtime/memory"
)

func main() {
	memory.Keep(memory.Quick)
	at := slices.Index(dnsserver.Directives, "errors")
	dnsserver.Directives = slices.Insert(dnsserver.Directives, at, tell.Name)
	coremain.Run()
}

package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"workbench/cluster/spec"
)

// systemFiles are a node's own files below /etc.
func (b builder) systemFiles(n spec.Node) map[string]File {
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, peer := range b.nodes {
		fmt.Fprintf(&hosts, "%s %s\n", peer.Address, peer.Name)
	}
	// systemd's machine-id(5): 32 hex digits, the same for ever.
	id := sha256.Sum256([]byte(b.lab.Metadata.Name + "/" + n.Name))
	return map[string]File{
		"/etc/hostname":    {Mode: 0o644, Content: n.Name + "\n"},
		"/etc/hosts":       {Mode: 0o644, Content: hosts.String()},
		"/etc/resolv.conf": {Mode: 0o644, Content: "# no name server beyond the lab\nnameserver 127.0.0.1\noptions timeout:1 attempts:1\n"},
		"/etc/machine-id":  {Mode: 0o444, Content: hex.EncodeToString(id[:16]) + "\n"},
	}
}

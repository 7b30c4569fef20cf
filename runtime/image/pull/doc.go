// Package pull is the way of a lab's nodes, which have no route out, to registries:
// a registry of its own that each node's containerd is told to ask for all others.
//
//	containerd --> Server --> cache of blobs, images of the lab
//	  (a node)       '------> the registry, as the host reaches it: HTTPS_PROXY and
//	                          NO_PROXY hold; addresses of the fabric within the lab
//
// What a registry serves is held against its digest before the last byte of it is
// handed on. A blob is downloaded once, whoever and how many ask for it. Nothing is
// asked of any registry unless a node asks.
package pull

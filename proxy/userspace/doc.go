// Package userspace is a proxy that needs no packet filter: it takes the
// addresses of Services for its node's own, listens on them, and carries what
// clients send to an endpoint of its choice in a second connection.
//
//	pod, node, other node --> 10.96.0.10:53 on lo, a socket of this process
//	                               |  policy, affinity, chance
//	                               '--> 10.244.1.2:53, from the node's address
//
// A port without an endpoint has no socket, so that the kernel refuses its
// clients at once. What is wanted comes from package proxy, which follows the
// API with upstream's own trackers; nothing here knows Kubernetes.
//
// A Forwarder owns all goroutines: one for each socket, two for each TCP
// connection, one for each UDP session. Close ends them and waits.
package userspace

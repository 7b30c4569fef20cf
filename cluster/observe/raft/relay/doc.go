// Package relay stands between an etcd member and its peers and reads along.
//
//	peer --TLS--> Relay (node's IP:2380) --unix socket--> etcd's peer server
//	                 |
//	                 '- a copy of the bytes -> decoder -> Sink
//
// The relay ends TLS with etcd's own listener code and the member's own
// certificates, so who may connect is what etcd decides it to be; etcd itself
// listens on a socket file that only this process uses. Bytes are forwarded
// first and decoded afterwards, from a bounded copy, by another goroutine: a
// decoder that is slow, wrong or confused loses sight of its connection and
// nothing else.
//
// rafthttp's streams are opened by the reader: peer X sends GET
// /raft/stream/{message,msgapp}/X, and this member writes its messages to X
// into the response. So what a member sends is seen at its own relay, and what
// comes as POST /raft (the pipeline, used while there is no stream, and for
// snapshots) is seen at the receiver's.
//
// Goroutines: Run owns one per connection, which owns three (two directions
// and the decoder). Run returns after all of them.
package relay

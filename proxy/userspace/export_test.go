package userspace

// SetMostSessions bounds the UDP sessions of all ports.
func (f *Forwarder) SetMostSessions(n int64) { f.most = n }

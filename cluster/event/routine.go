package event

// Routine says whether a body is a sample, a counter or a heartbeat: one that
// comes all the time and can be shown a second later, as the next one will
// differ as little. A failed probe and an election are none.
func Routine(body Body) bool {
	switch b := body.(type) {
	case ComponentUsage, ComponentMetrics, RaftStatus, RaftEntries, RaftDisk, KubeLease, ProxyCounters, KubeletSync, DNSQueries:
		return true
	case KubeRequests:
		return true // who made a change follows it; a refusal can wait as well
	case KubeChange:
		return b.Heartbeat
	case KubeLag:
		return b.Behind == 0 && b.Error == ""
	case Probe:
		return b.OK
	case RaftMessages:
		for _, l := range b.Lanes {
			if l.Kind.Election() {
				return false
			}
		}
		return true
	}
	return false
}

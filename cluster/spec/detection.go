package spec

import "time"

// Profile names a set of failure detection times.
type Profile string

// The failure detection profiles.
const (
	// Teaching notices a dead node within a breath: NotReady after about 8 s,
	// pods evicted 2 s later.
	Teaching Profile = "teaching"
	// Kubernetes has upstream's defaults.
	Kubernetes Profile = "kubernetes"
)

// Detection is what a profile sets in the components.
type Detection struct {
	// GracePeriod is kube-controller-manager's --node-monitor-grace-period: a
	// node whose lease is older becomes NotReady.
	GracePeriod time.Duration
	// NodeMonitorPeriod is kube-controller-manager's --node-monitor-period.
	NodeMonitorPeriod time.Duration
	// EvictionSeconds is kube-apiserver's --default-not-ready-toleration-seconds
	// and --default-unreachable-toleration-seconds.
	EvictionSeconds int64
	// PressureTransition is the kubelet's evictionPressureTransitionPeriod: how
	// long a condition such as DiskPressure outlives its cause.
	PressureTransition time.Duration
	// KubeletStatusUpdate is the kubelet's nodeStatusUpdateFrequency.
	KubeletStatusUpdate time.Duration
	// LeaseDuration is the kubelet's nodeLeaseDurationSeconds, in whole seconds.
	// It renews the lease four times as often.
	LeaseDuration time.Duration
	// ShutdownGrace is the kubelet's shutdownGracePeriod, ShutdownGraceCritical its
	// shutdownGracePeriodCriticalPods: how long pods have to end when the node shuts
	// down, and how much of that is for critical ones. 0: no longer than anything
	// else on the node.
	ShutdownGrace, ShutdownGraceCritical time.Duration
}

// Detection gives the times of the profile. An unknown profile has those of
// Teaching; validation refuses it.
//
// Upstream's values are those of Kubernetes 1.37:
// pkg/controller/nodelifecycle/config/v1alpha1/defaults.go (50 s, 5 s),
// plugin/pkg/admission/defaulttolerationseconds/admission.go (300 s) and
// pkg/kubelet/apis/config/v1beta1/defaults.go (10 s, 40 s; no graceful shutdown).
func (p Profile) Detection() Detection {
	if p == Kubernetes {
		return Detection{
			GracePeriod:         50 * time.Second,
			NodeMonitorPeriod:   5 * time.Second,
			EvictionSeconds:     300,
			PressureTransition:  5 * time.Minute,
			KubeletStatusUpdate: 10 * time.Second,
			LeaseDuration:       40 * time.Second,
		}
	}
	return Detection{
		GracePeriod:         8 * time.Second,
		NodeMonitorPeriod:   time.Second,
		EvictionSeconds:     2,
		PressureTransition:  10 * time.Second,
		KubeletStatusUpdate: 2 * time.Second,
		LeaseDuration:       4 * time.Second,

		// Critical is CoreDNS, which answers for 5 s more (its lameduck).
		ShutdownGrace:         15 * time.Second,
		ShutdownGraceCritical: 6 * time.Second,
	}
}

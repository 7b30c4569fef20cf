package spec

import "fmt"

// What a node needs, by rule of thumb: the proportional set size (PSS) of a
// three and three lab at rest is 1.25 GB; a control plane under load and a
// worker's first pods come on top. Text pages are shared between all of them.
const (
	ControlPlaneMemory Bytes = 700 << 20
	WorkerMemory       Bytes = 250 << 20
)

// MemoryNeed is what the lab needs by rule of thumb.
func (l Lab) MemoryNeed() Bytes {
	planes, workers := l.Counts()
	return Bytes(planes)*ControlPlaneMemory + Bytes(workers)*WorkerMemory
}

func (c *checker) checkMachine(m Machine) {
	c.checkFit(m)
	c.checkMachineLimits(poolPath, c.lab.Spec.ControlPlanes.CPUs, c.lab.Spec.ControlPlanes.Memory, m)
	c.checkMachineLimits(workersPath, c.lab.Spec.Workers.CPUs, c.lab.Spec.Workers.Memory, m)
	for name, o := range c.lab.Spec.Nodes {
		c.checkMachineLimits(nodesPath.child(name), o.CPUs, o.Memory, m)
	}
}

func (c *checker) checkMachineLimits(p path, cpus Cores, memory Bytes, m Machine) {
	if m.CPUs > 0 && cpus > Cores(m.CPUs) {
		c.refuse(p.child("cpus"), fmt.Sprintf("use at most %d, or leave it out", m.CPUs), "%v processors are more than the %d of this machine", cpus, m.CPUs)
	}
	if have := Bytes(m.MemoryBytes); have > 0 && memory > have {
		c.refuse(p.child("memory"), "use less, or leave it out", "%v is more than the %s of this machine", memory, have.round())
	}
}

// checkFit refuses more nodes than the machine's memory carries.
func (c *checker) checkFit(m Machine) {
	have, need := Bytes(m.MemoryBytes), c.lab.MemoryNeed()
	if have <= 0 || need <= have || c.refused(poolPath.child("count")) || c.refused(workersPath.child("count")) {
		return
	}
	planes, workers := c.lab.Spec.ControlPlanes.Count, c.lab.Spec.Workers.Count
	at := workersPath.child("count")
	if workers == 0 {
		at = poolPath.child("count")
	}
	c.refuse(at, fit(have, planes),
		"%d control planes and %d workers need about %s, and this machine has %s (%s per control plane, %s per worker)",
		planes, workers, need.round(), have.round(), ControlPlaneMemory.round(), WorkerMemory.round())
}

// fit names the largest lab that the memory carries, with as many control
// planes as wanted or else as many as possible.
func fit(have Bytes, planes int) string {
	for n := planes; n >= 1; n -= 2 {
		if room := int((have - Bytes(n)*ControlPlaneMemory) / WorkerMemory); have >= Bytes(n)*ControlPlaneMemory && (room > 0 || n == 1) {
			return fmt.Sprintf("controlPlanes.count %d with workers.count %d would fit", n, min(room, MaxWorkers))
		}
	}
	return "no lab fits: free memory or use a larger machine"
}

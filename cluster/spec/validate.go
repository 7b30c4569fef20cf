package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// Machine is what the lab has to fit in. 0 means unknown and is not checked.
type Machine struct {
	// MemoryBytes is the memory a lab may use, in bytes.
	MemoryBytes int64
	// CPUs is the number of processors.
	CPUs int64
}

// Validate refuses a lab that is wrong by itself or does not fit the machine.
// The error is Problems.
func (l Lab) Validate(m Machine) error {
	c := checker{lab: l}
	c.check()
	c.checkMachine(m)
	return c.problems.err()
}

// checker collects the problems of a decoded lab.
type checker struct {
	lab      Lab
	problems Problems
}

func (c *checker) refuse(p path, remedy, what string, args ...any) {
	c.problems = append(c.problems, c.lab.source.problem(p, fmt.Sprintf(what, args...), remedy))
}

// refused tells whether something at or below the path was refused already.
func (c *checker) refused(p path) bool { return c.problems.at(p) }

var (
	apiVersionPath  = path{"apiVersion"}
	kindPath        = path{"kind"}
	namePath        = path{"metadata", "name"}
	specPath        = path{"spec"}
	poolPath        = specPath.child("controlPlanes")
	workersPath     = specPath.child("workers")
	nodesPath       = specPath.child("nodes")
	networkPath     = specPath.child("network")
	detectionPath   = specPath.child("failureDetection")
	featureGatePath = specPath.child("featureGates")
	componentsPath  = specPath.child("components")
	registriesPath  = specPath.child("images").child("registries")
)

func (c *checker) check() {
	c.checkIdentity()
	c.checkCounts()
	c.checkPool(poolPath, c.lab.Spec.ControlPlanes, "control plane", MinControlPlaneMemory)
	c.checkPool(workersPath, c.lab.Spec.Workers, "worker", MinWorkerMemory)
	c.checkNodes()
	c.checkNetwork()
	if p := c.lab.Spec.FailureDetection; p != Teaching && p != Kubernetes {
		profiles := []string{string(Teaching), string(Kubernetes)}
		c.refuse(detectionPath, suggest(string(p), profiles, "profiles are "), "unknown profile %q", clip(string(p)))
	}
	c.checkFeatureGates()
	c.checkDNS()
	c.checkComponents()
	c.checkRegistries()
}

var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

func (c *checker) checkIdentity() {
	d := Document{source: c.lab.source, problems: c.problems}
	d.Identity(c.lab.APIVersion, c.lab.Kind, Kind)
	d.Name(c.lab.Metadata.Name)
	c.problems = d.problems
}

func (c *checker) checkCounts() {
	switch n := c.lab.Spec.ControlPlanes.Count; {
	case n == 2 || n == 4:
		c.refuse(poolPath.child("count"), "use 1, 3 or 5",
			"%d control planes survive no more failures than %d: etcd needs a majority", n, n-1)
	case n < 1 || n > MaxControlPlanes:
		c.refuse(poolPath.child("count"), "use 1, 3 or 5", "a lab cannot have %d control planes", n)
	}
	if n := c.lab.Spec.Workers.Count; n < 0 || n > MaxWorkers {
		c.refuse(workersPath.child("count"), fmt.Sprintf("use 0 to %d", MaxWorkers), "a lab cannot have %d workers", n)
	}
}

func (c *checker) checkFeatureGates() {
	for _, gate := range slices.Sorted(maps.Keys(c.lab.Spec.FeatureGates)) {
		if !featureGate.MatchString(gate) {
			c.refuse(featureGatePath.child(gate), "write it as Kubernetes does, such as InPlacePodVerticalScaling",
				"%q is not the name of a feature gate", clip(gate))
		}
	}
}

var featureGate = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,127}$`)

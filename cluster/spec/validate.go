package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
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
func (c *checker) refused(p path) bool {
	at := p.String()
	return slices.ContainsFunc(c.problems, func(q Problem) bool {
		return q.Path == at || strings.HasPrefix(q.Path, at+".")
	})
}

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
	c.checkComponents()
}

var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

func (c *checker) checkIdentity() {
	c.checkConstant(apiVersionPath, c.lab.APIVersion, APIVersion)
	c.checkConstant(kindPath, c.lab.Kind, Kind)
	const form = "use lower-case letters, digits and dashes, with a letter or digit at both ends"
	switch name := c.lab.Metadata.Name; {
	case !label.MatchString(name):
		c.refuse(namePath, form, "%q is not a DNS-1123 label", clip(name))
	case len(name) > MaxName:
		c.refuse(namePath, fmt.Sprintf("use at most %d", MaxName), "the name has %d characters", len(name))
	}
}

func (c *checker) checkConstant(p path, got, want string) {
	switch {
	case c.refused(p) || got == want:
	case got == "":
		c.refuse(p, fmt.Sprintf("write %s: %s", p, want), "is missing")
	default:
		c.refuse(p, "write "+want, "%q is not what this version reads", clip(got))
	}
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

// Package doctor checks whether this machine can run a lab, says what is
// missing, why it matters and which command mends it, and mends what it can.
//
// Checks leave the machine as it is: what can only be known by trying is tried
// in namespaces that end with the thread that made them. Only Fix changes
// something, and reports what.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"workbench/cluster/spec"
)

// Status is the outcome of a check.
type Status string

// The outcomes of a check.
const (
	OK   Status = "ok"
	Warn Status = "warn" // a lab runs, though not as well as it could
	Fail Status = "fail" // a lab does not run
)

// Check is one finding.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Found is what the machine has.
	Found string `json:"found"`
	// Why a lab needs it.
	Why string `json:"why"`
	// Fix is the command or the action that mends it; "" when all is well.
	Fix string `json:"fix,omitempty"`
	// Fixable tells whether Fix, the function, can do that.
	Fixable bool `json:"fixable,omitempty"`

	repair repair
}

// repair mends what a check found. What the commands print goes to out.
type repair func(ctx context.Context, out io.Writer) error

// Options of Run and Fix.
type Options struct {
	// StateDir is the absolute path where labs are kept. It need not exist.
	StateDir string
	// Lab is what the machine has to carry; the zero value stands for the
	// default lab.
	Lab spec.Lab
	// AnyProxy says that the lab's proxyMode is not what somebody chose: what it
	// needs is then no reason to refuse the lab. See ProxyMode.
	AnyProxy bool
}

func (o Options) validate() error {
	if !filepath.IsAbs(o.StateDir) {
		return fmt.Errorf("check machine: state directory %q is not an absolute path; name one with --state-dir", o.StateDir)
	}
	return nil
}

// Run makes all checks. It needs no privileges, but knows less without them.
// The error is for options that are wrong, not for what the checks find.
func Run(ctx context.Context, options Options) ([]Check, error) {
	d, err := newDoctor(options, thisMachine())
	if err != nil {
		return nil, err
	}
	return d.run(ctx), nil
}

// Change is what Fix did for one check.
type Change struct {
	Check string `json:"check"`
	// Done is the command or the action that was taken.
	Done string `json:"done"`
	// Error is why it did not help; "" when it did.
	Error string `json:"error,omitempty"`
}

// Fix mends what can be mended of what the checks found, in their order, and
// says what it did. What commands print goes to out. Run again afterwards to
// see the result. The error joins those of the changes.
func Fix(ctx context.Context, checks []Check, out io.Writer) ([]Change, error) {
	var changes []Change
	var errs []error
	for _, c := range checks {
		if c.Status == OK || c.repair == nil {
			continue
		}
		change := Change{Check: c.Name, Done: c.Fix}
		if err := c.repair(ctx, out); err != nil {
			change.Error = err.Error()
			errs = append(errs, fmt.Errorf("fix %s: %w", c.Name, err))
		}
		changes = append(changes, change)
	}
	return changes, errors.Join(errs...)
}

// doctor makes the checks of one machine.
type doctor struct {
	machine
	options Options
	manager packageManager
}

func newDoctor(options Options, m machine) (*doctor, error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	if options.Lab.Kind == "" {
		options.Lab, options.AnyProxy = spec.Default(), true
	}
	d := &doctor{machine: m, options: options}
	d.manager = d.findPackageManager()
	return d, nil
}

func (d *doctor) run(ctx context.Context) []Check {
	var checks []Check
	for _, check := range []func(context.Context) []Check{
		d.checkPrivileges,
		d.checkKernel,
		d.checkNetwork,
		d.checkControlGroups,
		d.checkPrograms,
		d.checkLimits,
		d.checkMemory,
		d.checkStateDir,
		d.checkLeftovers,
	} {
		checks = append(checks, check(ctx)...)
	}
	for i, c := range checks {
		checks[i].Fixable = c.repair != nil
	}
	return checks
}

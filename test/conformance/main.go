// Command conformance runs Kubernetes's end-to-end suite against a lab, as an
// outsider would: it builds the suite, the kubectl of that release and the images
// the tests run from the sources of the version in go.mod, loads the images into
// the lab, and counts what passed by area.
//
//	go tool task conformance -- --focus '\[sig-network\].*\[Conformance\]'
//
//	go.mod -> e2e.test, kubectl, agnhost, ...   build.go
//	Debian packages \
//	programs        -> images.tar -> the lab    debian.go, files.go, images.go
//	e2e.test -> junit.xml -> table of areas     suite.go, report.go
//
// The suite needs a lab that runs, with two workers at least.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

// options is the command line.
type options struct {
	workbench string // the binary that runs the lab
	state     string // its --state-dir, empty for the default
	name      string // of the lab
	work      string // directory of everything built, kept for the next run
	focus     string // regular expression over the names of tests
	skip      string // the same, to leave out
	procs     int    // tests at a time
	only      string // one step by name, empty for all
}

func main() {
	var o options
	flag.StringVar(&o.workbench, "workbench", "bin/workbench", "the binary that runs the lab")
	flag.StringVar(&o.state, "state-dir", "", "where the lab is kept; default that of workbench")
	flag.StringVar(&o.name, "name", "lab", "the lab")
	flag.StringVar(&o.work, "work", "bin/conformance", "directory for what is built and reported")
	flag.StringVar(&o.focus, "focus", `\[Conformance\]`, "regular expression: the tests to run")
	flag.StringVar(&o.skip, "skip", "", "regular expression: the tests to leave out")
	flag.IntVar(&o.procs, "procs", 4, "tests to run at a time; those marked [Serial] run alone in any case")
	flag.StringVar(&o.only, "only", "", "do one step: build, images, load or run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	work, err := filepath.Abs(o.work)
	if err != nil {
		return err
	}
	o.work = work
	if o.workbench, err = filepath.Abs(o.workbench); err != nil {
		return err
	}
	steps := []struct {
		name string
		do   func(context.Context, options) error
	}{{"build", build}, {"images", buildImages}, {"load", load}, {"run", runSuite}}
	done := false
	for _, step := range steps {
		if o.only != "" && o.only != step.name {
			continue
		}
		done = true
		if err := step.do(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if !done {
		return errors.New("no step " + o.only + ": want build, images, load or run")
	}
	return nil
}

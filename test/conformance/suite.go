package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// junit is the report of the last run, in the directory results.
const junit = "junit.xml"

// runSuite runs the tests and prints what became of them.
func runSuite(ctx context.Context, o options) error {
	kubeconfig, err := output(ctx, o.workbench, o.lab("kubeconfig")...)
	if err != nil {
		return err
	}
	config := filepath.Join(o.work, "kubeconfig")
	if err := os.WriteFile(config, []byte(kubeconfig), 0o600); err != nil {
		return err
	}
	results := filepath.Join(o.work, "results")
	if err := os.MkdirAll(results, 0o755); err != nil {
		return err
	}
	bin := filepath.Join(o.work, "bin")
	args := []string{
		"--procs", strconv.Itoa(o.procs), "--focus", o.focus, "--timeout", "24h", "--no-color",
		"--output-dir", results, "--junit-report", junit,
	}
	if o.skip != "" {
		args = append(args, "--skip", o.skip)
	}
	args = append(args, filepath.Join(bin, "e2e.test"), "--",
		"--kubeconfig", config, "--provider", "skeleton", "--kubectl-path", filepath.Join(bin, "kubectl"), "--disable-log-dump")
	failed := command(ctx, filepath.Join(bin, "ginkgo"), args...)
	table, err := report(filepath.Join(results, junit))
	if err != nil {
		return errors.Join(failed, err)
	}
	fmt.Print(table)
	return failed
}

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReport counts by area, leaves out what the focus left out, and tells what
// did not pass.
func TestReport(t *testing.T) {
	name := filepath.Join(t.TempDir(), "junit.xml")
	body := `<testsuites><testsuite name="Kubernetes e2e suite">
<testcase name="[It] [sig-network] DNS resolves [Conformance]" status="passed" time="10.4"></testcase>
<testcase name="[It] [sig-network] Services serve [Conformance]" status="failed" time="3"><failure message="no"></failure></testcase>
<testcase name="[It] [sig-apps] Job completes" status="skipped" time="0"><skipped message="skipped"></skipped></testcase>
<testcase name="[It] [sig-node] Sysctls" status="skipped" time="1"><skipped message="skipped - Only supported for providers [gce]"></skipped></testcase>
<testcase name="[SynchronizedBeforeSuite]" status="passed" time="2"></testcase>
</testsuite></testsuites>`
	if err := os.WriteFile(name, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := report(name)
	if err != nil {
		t.Fatal(err)
	}
	want := "AREA         PASSED  FAILED  SKIPPED  TIME\n" +
		"sig-network  1       1       0        13s\n" +
		"sig-node     0       0       1        1s\n" +
		"failed   [It] [sig-network] Services serve [Conformance]\n" +
		"skipped  [It] [sig-node] Sysctls: skipped - Only supported for providers [gce]\n"
	if got != want {
		t.Errorf("report\n%swant\n%s", got, want)
	}
}

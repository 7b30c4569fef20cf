package test

import (
	"syscall"
	"testing"

	"workbench/test/harness"
)

// testSlowAPI freezes the only API server for longer than its health checks
// wait, and holds that what clients had begun goes on when it runs again: there
// was no better server to send them to. A watch of kubectl ends with its
// connection.
func testSlowAPI(t *testing.T, lab *harness.Lab) {
	watch := lab.Begin("kubectl", "get", "configmaps", "--watch", "--output", "name")
	lab.AwaitOutput(watch, "configmap/kube-root-ca.crt")
	lab.Must("component", "pause", "c1/kube-apiserver", "--yes")
	late := lab.Run("kubectl", "get", "--raw", "/readyz", "--request-timeout", "5s")
	lab.Must("component", "resume", "c1/kube-apiserver")
	if late.Code == 0 {
		t.Error("a frozen API server answered")
	}
	lab.Eventually("the API serves again", "kubectl", "create", "configmap", "after-the-freeze")
	lab.AwaitOutput(watch, "configmap/after-the-freeze")
	watch.Signal(syscall.SIGTERM)
	lab.AwaitExit(watch)
	lab.Kubectl("delete", "configmap", "after-the-freeze")
}

// Package harness drives the built workbench binary against real labs and
// checks that each leaves the machine as it was.
//
//	Up/New --snapshot--> lab ... test ... --cleanup--> dump if failed, down --purge, AssertClean
//
// It waits for events, never for time: every Await follows the lab's journal
// through the supervisor's API and is bounded by a deadline. The package links
// no Kubernetes; it speaks through `workbench kubectl -o json` and package api.
package harness

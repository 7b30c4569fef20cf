package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"workbench/cluster/demo"
)

func TestMedian(t *testing.T) {
	itself := func(v int64) int64 { return v }
	for _, c := range []struct {
		of   []int64
		want int64
	}{{nil, 0}, {[]int64{7}, 7}, {[]int64{9, 1, 5}, 5}, {[]int64{4, 1, 9, 2}, 3}} {
		if got := median(c.of, itself); got != c.want {
			t.Errorf("median of %v is %d, want %d", c.of, got, c.want)
		}
	}
}

// TestTree finds a child of this process, and what both use.
func TestTree(t *testing.T) {
	child := exec.Command("cat")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := child.Wait(); err != nil {
			t.Error(err)
		}
	}()
	pids, err := tree(os.Getpid())
	if err != nil || pids[0] != os.Getpid() || !slices.Contains(pids, child.Process.Pid) {
		t.Errorf("tree of %d with child %d is %v, %v", os.Getpid(), child.Process.Pid, pids, err)
	}
	u, err := treeUsage(os.Getpid())
	if err != nil || u.Processes < 2 || u.Private < 1<<20 || u.PSS < u.Private {
		t.Errorf("usage is %+v, %v", u, err)
	}
}

func TestReportHasMedians(t *testing.T) {
	ms := func(v int64) *int64 { return &v }
	hop := func(v *int64) demo.Report {
		return demo.Report{Acts: []demo.Scene{{Kind: demo.WorkerKilled, Hops: []demo.Hop{{Name: "the node is gone", Milliseconds: v}}}}}
	}
	r := result{
		Boots: []sample{
			{Shape: "1+1", Variant: fresh, Run: 1, stages: stages{API: 100, Ready: 900}, PSSBytes: 700e6},
			{Shape: "1+1", Variant: fresh, Run: 2, stages: stages{API: 300, Ready: 500}, PSSBytes: 600e6},
			{Shape: "1+1", Variant: fresh, Run: 3, stages: stages{API: 200, Ready: 700}, PSSBytes: 650e6},
		},
		Failures: []demo.Report{hop(ms(30)), hop(ms(10)), hop(nil)},
	}
	for form, want := range map[string][]string{
		"markdown": {"| 1+1 new lab | - | 200 | - | - | 700 | - | - | 650 | - | - |", "| worker-killed: the node is gone | 20 | 30, 10, not observed |"},
		"table":    {"1+1 new lab  -        200 "},
		"json":     {`"readyMs": 900`},
	} {
		var out strings.Builder
		if err := r.write(&out, form); err != nil {
			t.Fatal(err)
		}
		for _, line := range want {
			if !strings.Contains(out.String(), line) {
				t.Errorf("%s lacks %q:\n%s", form, line, out.String())
			}
		}
	}
}

func TestFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-shapes", "3"}, {"-shapes", "0+1"}, {"-o", "xml"}, {"-runs", "0"}, {"-workbench", "/no/such/binary"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v is not refused", args)
		}
	}
}

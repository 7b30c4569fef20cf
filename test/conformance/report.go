package main

import (
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// suites is the part of Ginkgo's JUnit report that counts.
type suites struct {
	Cases []testCase `xml:"testsuite>testcase"`
}

type testCase struct {
	Name    string    `xml:"name,attr"`
	Seconds float64   `xml:"time,attr"`
	Failure *struct{} `xml:"failure"`
	Error   *struct{} `xml:"error"`
	Skipped *skipped  `xml:"skipped"`
}

type skipped struct {
	Message string `xml:"message,attr"`
}

// area counts the tests of one special interest group.
type area struct {
	passed, failed, skipped int
	seconds                 float64
}

var group = regexp.MustCompile(`\[(sig-[a-z-]+)\]`)

// report reads what Ginkgo wrote and makes the table of areas, and the names of
// the tests that failed or that skipped themselves with their reasons.
func report(name string) (string, error) {
	body, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("the suite left no report: %w", err)
	}
	var read suites
	if err := xml.Unmarshal(body, &read); err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	areas := map[string]*area{}
	var notes []string
	for _, c := range read.Cases {
		if note := c.count(areas); note != "" {
			notes = append(notes, note)
		}
	}
	return render(areas, notes)
}

// count adds the test to its area; what did not pass is worth a note.
func (c testCase) count(areas map[string]*area) string {
	match := group.FindStringSubmatch(c.Name)
	// Tests that the focus left out are in the report too, without a reason.
	if match == nil || c.Skipped != nil && (c.Skipped.Message == "" || c.Skipped.Message == "skipped") {
		return ""
	}
	a := areas[match[1]]
	if a == nil {
		a = &area{}
		areas[match[1]] = a
	}
	a.seconds += c.Seconds
	switch {
	case c.Failure != nil || c.Error != nil:
		a.failed++
		return "failed   " + c.Name
	case c.Skipped != nil:
		a.skipped++
		return "skipped  " + c.Name + ": " + c.Skipped.Message
	}
	a.passed++
	return ""
}

func render(areas map[string]*area, notes []string) (string, error) {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "AREA\tPASSED\tFAILED\tSKIPPED\tTIME")
	for _, name := range slices.Sorted(maps.Keys(areas)) {
		a := areas[name]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%.0fs\n", name, a.passed, a.failed, a.skipped, a.seconds)
	}
	if err := table.Flush(); err != nil {
		return "", err
	}
	for _, note := range notes {
		fmt.Fprintln(&out, note)
	}
	return out.String(), nil
}

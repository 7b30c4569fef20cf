package test

import (
	"os"
	"testing"

	"workbench/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

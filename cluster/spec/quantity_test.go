package spec

import "testing"

func TestBytes(t *testing.T) {
	for text, want := range map[string]struct {
		n    Bytes
		text string
	}{
		"0":                  {0, "0"},
		"1":                  {1, "1"},
		"512Mi":              {512 << 20, "512Mi"},
		"2Gi":                {2 << 30, "2Gi"},
		"1024Mi":             {1 << 30, "1Gi"},
		"1G":                 {1e9, "1G"},
		"1.5Gi":              {3 << 29, "1536Mi"},
		"0.1Gi":              {107374182, "107374182"},
		"100k":               {100000, "100k"},
		"1Ti":                {1 << 40, "1Ti"},
		"9007199254740993":   {9007199254740993, "9007199254740993"},
		"999999999999999999": {999999999999999999, "999999999999999999"},
	} {
		got, err := ParseBytes(text)
		if err != nil || got != want.n {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want.n)
		}
		if again, err := ParseBytes(got.String()); err != nil || again != got {
			t.Errorf("%s: written as %s, read as %d, %v", text, got, again, err)
		}
		if got.String() != want.text {
			t.Errorf("%s: written as %s, want %s", text, got, want.text)
		}
	}
	for _, text := range []string{"", "Gi", "1 Gi", "1e9", "1.Gi", ".5Gi", "1KB", "-1", "+1", "0x10", "NaN", "8388608Ti", "1,5Gi", "10000000000000000000"} {
		if n, err := ParseBytes(text); err == nil {
			t.Errorf("%q was read as %d", text, n)
		}
	}
}

func TestCores(t *testing.T) {
	for text, want := range map[string]Cores{"1": 1, "0.5": 0.5, "500m": 0.5, "2": 2, "0.0004": 0, "1.2345": 1.235, "1500m": 1.5} {
		if got, err := ParseCores(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "m", "-1", "1e3", "Inf", "NaN", "0x1", "1 core", "1mm", "9999999999"} {
		if c, err := ParseCores(text); err == nil {
			t.Errorf("%q was read as %v", text, c)
		}
	}
}

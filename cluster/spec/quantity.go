package spec

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Bytes is an amount of memory. It is written as Kubernetes writes it: 512Mi,
// 2Gi, 1G.
type Bytes int64

// Cores is an amount of processor time; 1 is one processor, 0.5 half of one.
type Cores float64

const (
	bytesForm = "write a number with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000), such as 512Mi or 2Gi"
	coresForm = "write processors as a number such as 2 or 0.5, or in thousandths such as 500m"
)

var (
	bytesPattern = regexp.MustCompile(`^([0-9]{1,19}(?:\.[0-9]{1,9})?)([A-Za-z]*)$`)
	coresPattern = regexp.MustCompile(`^([0-9]{1,9}(?:\.[0-9]{1,9})?)(m?)$`)
)

func unit(suffix string) (float64, bool) {
	switch suffix {
	case "":
		return 1, true
	case "k":
		return 1e3, true
	case "M":
		return 1e6, true
	case "G":
		return 1e9, true
	case "T":
		return 1e12, true
	case "Ki":
		return 1 << 10, true
	case "Mi":
		return 1 << 20, true
	case "Gi":
		return 1 << 30, true
	case "Ti":
		return 1 << 40, true
	}
	return 0, false
}

// ParseBytes reads an amount of memory.
func ParseBytes(text string) (Bytes, error) {
	m := bytesPattern.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is not an amount of memory; %s", clip(text), bytesForm)
	}
	scale, ok := unit(m[2])
	if !ok {
		return 0, fmt.Errorf("%q has the unknown unit %q; %s", clip(text), clip(m[2]), bytesForm)
	}
	if n, err := strconv.ParseInt(m[1], 10, 64); err == nil && n <= math.MaxInt64/int64(scale) {
		return Bytes(n * int64(scale)), nil
	}
	f, err := strconv.ParseFloat(m[1], 64)
	if err != nil || f*scale >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is more than any machine has; %s", clip(text), bytesForm)
	}
	return Bytes(f * scale), nil
}

// String writes the amount with the largest unit that divides it.
func (b Bytes) String() string {
	for _, suffix := range []string{"Ti", "Gi", "Mi", "Ki", "T", "G", "M", "k"} {
		scale, _ := unit(suffix)
		if b != 0 && int64(b)%int64(scale) == 0 {
			return strconv.FormatInt(int64(b)/int64(scale), 10) + suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := ParseBytes(string(text))
	*b = n
	return err
}

// round gives a size for people, in GiB or MiB.
func (b Bytes) round() string {
	if b >= 1<<30 {
		return strings.TrimSuffix(strconv.FormatFloat(float64(b)/(1<<30), 'f', 1, 64), ".0") + " GiB"
	}
	return strconv.FormatInt(int64(b)>>20, 10) + " MiB"
}

// ParseCores reads an amount of processor time, rounded to thousandths of a
// processor as the kernel's quota is.
func ParseCores(text string) (Cores, error) {
	m := coresPattern.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is not a number of processors; %s", clip(text), coresForm)
	}
	f, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of processors; %s", clip(text), coresForm)
	}
	if m[2] == "m" {
		f /= 1000
	}
	return Cores(math.Round(f*1000) / 1000), nil
}

// String writes the number without trailing zeros.
func (c Cores) String() string { return strconv.FormatFloat(float64(c), 'f', -1, 64) }

// clip keeps what a message quotes from the file short.
func clip(s string) string {
	const limit = 60
	r := []rune(s)
	if len(r) <= limit {
		return s
	}
	return string(r[:limit]) + "…"
}

package widget

import (
	"fmt"
	"strconv"
	"time"
)

// Age is a duration as kubectl prints ages: 42s, 3m12s, 5h, 8d.
func Age(d time.Duration) string {
	switch s := int(max(d, 0) / time.Second); {
	case s < 120:
		return fmt.Sprintf("%ds", s)
	case s < 600 && s%60 != 0:
		return fmt.Sprintf("%dm%ds", s/60, s%60)
	case s < 3*3600:
		return fmt.Sprintf("%dm", s/60)
	case s < 8*3600 && s/60%60 != 0:
		return fmt.Sprintf("%dh%dm", s/3600, s/60%60)
	case s < 48*3600:
		return fmt.Sprintf("%dh", s/3600)
	default:
		return fmt.Sprintf("%dd", s/86400)
	}
}

// Since is the age of a moment at now; "-" when there was no such moment.
func Since(now, at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return Age(now.Sub(at))
}

// Short is a duration with the precision that matters: 850ms, 3.2s, 41s, 3m12s.
func Short(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	default:
		return Age(d)
	}
}

// Seconds is a duration in tenths of a second: 0.4s, 12.0s; longer ones as Age.
func Seconds(d time.Duration) string {
	if d = max(d, 0); d < 100*time.Second {
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	}
	return Age(d)
}

// Bytes is a size in binary units with three digits at most: 812Ki, 41Mi, 1.2Gi.
func Bytes(n int64) string {
	v, units := float64(n), []string{"B", "Ki", "Mi", "Gi", "Ti"}
	i := 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	if i > 1 && v < 10 {
		return fmt.Sprintf("%.1f%s", v, units[i])
	}
	return fmt.Sprintf("%.0f%s", v, units[i])
}

// Cores is a number of processors: 0.31, 2.4.
func Cores(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// Plural is a number and its noun: 1 pod, 3 pods.
func Plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// Count is a number, or "-" for none.
func Count[T int | int32 | int64 | uint64](n T) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatInt(int64(n), 10)
}

// Delta is the distance between two moments with its sign, to the millisecond
// while that matters: +0.450s, -12.034s, +3m12s.
func Delta(d time.Duration) string {
	sign := "+"
	if d < 0 {
		sign, d = "-", -d
	}
	if d < 100*time.Second {
		return fmt.Sprintf("%s%.3fs", sign, d.Truncate(time.Millisecond).Seconds())
	}
	return sign + Age(d)
}

package applet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func timeCommands() []command {
	return []command{
		{"sleep", "SECONDS... | infinity: wait; units s, m, h and d", sleep},
		{"date", "[-u] [-d @SECONDS] [-I] [-R] [+FORMAT]: print the time", date},
		{"watch", "[-n SECONDS] COMMAND...: run a command again and again", watch},
	}
}

// duration reads seconds, or a number with a unit.
func duration(text string) (time.Duration, error) {
	if text == "infinity" || text == "inf" {
		return math.MaxInt64, nil
	}
	unit, number := time.Second, text
	for suffix, length := range map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour} {
		if cut, ok := strings.CutSuffix(text, suffix); ok {
			unit, number = length, cut
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || value < 0 || math.IsNaN(value) {
		return 0, fmt.Errorf("%q is not a duration: want seconds, a number with s, m, h or d, or infinity", text)
	}
	if span := value * float64(unit); span < math.MaxInt64 {
		return time.Duration(span), nil
	}
	return math.MaxInt64, nil
}

// sleep ends on SIGTERM even as PID 1 of a container, where the signal would be
// ignored without a handler and a pod would take its whole grace period to end.
func sleep(c Call) error {
	if len(c.Args) == 0 {
		return errors.New("want a duration")
	}
	var total time.Duration
	for _, arg := range c.Args {
		span, err := duration(arg)
		if err != nil {
			return err
		}
		if total += span; total < 0 {
			total = math.MaxInt64
		}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	timer := time.NewTimer(total)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case got := <-signals:
		return status(128 + int(got.(syscall.Signal)))
	}
}

func date(c Call) error {
	flags := c.flags()
	utc := flags.BoolP("utc", "u", false, "")
	given := flags.StringP("date", "d", "", "")
	iso := flags.StringP("iso-8601", "I", "", "")
	flags.Lookup("iso-8601").NoOptDefVal = "date"
	rfc := flags.BoolP("rfc-email", "R", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	at := time.Now()
	if *given != "" {
		parsed, err := parseDate(*given)
		if err != nil {
			return err
		}
		at = parsed
	}
	if *utc {
		at = at.UTC()
	}
	layout := "Mon Jan _2 15:04:05 MST 2006"
	switch {
	case flags.NArg() == 1 && strings.HasPrefix(flags.Arg(0), "+"):
		fmt.Fprintln(c.Out, strftime(flags.Arg(0)[1:], at))
		return nil
	case flags.NArg() > 0:
		return fmt.Errorf("%q: want +FORMAT; the time cannot be set", flags.Arg(0))
	case *iso == "date":
		layout = time.DateOnly
	case *iso != "":
		layout = time.RFC3339
	case *rfc:
		layout = time.RFC1123Z
	}
	fmt.Fprintln(c.Out, at.Format(layout))
	return nil
}

func parseDate(text string) (time.Time, error) {
	if seconds, ok := strings.CutPrefix(text, "@"); ok {
		if value, err := strconv.ParseInt(seconds, 10, 64); err == nil {
			return time.Unix(value, 0), nil
		}
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly, "2006-01-02T15:04"} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("date %q: want @SECONDS, 2006-01-02 or 2006-01-02 15:04:05", text)
}

// strftime formats with the conversions that scripts use.
func strftime(format string, at time.Time) string {
	layouts := map[byte]string{
		'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04",
		'y': "06", 'b': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday", 'Z': "MST", 'z': "-0700", 'e': "_2", 'I': "03", 'p': "PM",
		'D': "01/02/06", 'c': "Mon Jan _2 15:04:05 2006", 'j': "002",
	}
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out.WriteByte(format[i])
			continue
		}
		i++
		switch char := format[i]; char {
		case 's':
			out.WriteString(strconv.FormatInt(at.Unix(), 10))
		case 'N':
			fmt.Fprintf(&out, "%09d", at.Nanosecond())
		case 'n':
			out.WriteByte('\n')
		case '%':
			out.WriteByte('%')
		default:
			if layout, ok := layouts[char]; ok {
				out.WriteString(at.Format(layout))
			} else {
				out.WriteString("%" + string(char))
			}
		}
	}
	return out.String()
}

func watch(c Call) error {
	flags := c.flags()
	flags.SetInterspersed(false)
	interval := flags.StringP("interval", "n", "2", "")
	flags.BoolP("no-title", "t", false, "")
	flags.BoolP("differences", "d", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	every, err := duration(*interval)
	if err != nil {
		return err
	}
	if flags.NArg() == 0 || every <= 0 {
		return errors.New("want a command, and an interval above 0")
	}
	line := strings.Join(flags.Args(), " ")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		out, err := exec.CommandContext(ctx, "sh", "-c", line).CombinedOutput()
		fmt.Fprintf(c.Out, "\x1b[H\x1b[2JEvery %v: %s  %s\n\n%s", every, line, time.Now().Format(time.DateTime), out)
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(c.Out, err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

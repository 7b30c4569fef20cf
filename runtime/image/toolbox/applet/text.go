package applet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func textCommands() []command {
	return []command{
		{"head", "[-n LINES] [-c BYTES] [FILE...]: the first lines", head},
		{"tail", "[-n LINES] [-f] [FILE...]: the last lines", tail},
		{"grep", "[-EFivnclqwrHho] [-A N] [-B N] [-C N] PATTERN [FILE...]: lines that match", grep},
		{"wc", "[-lwc] [FILE...]: count lines, words and bytes", wc},
		{"tee", "[-a] FILE...: copy the input to files too", tee},
	}
}

// dashNumber turns "-5" into "-n5", as head and tail take it.
func dashNumber(args []string) []string {
	out := make([]string, len(args))
	for at, arg := range args {
		if len(arg) > 1 && arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9' {
			arg = "-n" + arg[1:]
		}
		out[at] = arg
	}
	return out
}

func head(c Call) error {
	flags := c.flags()
	lines := flags.Int64P("lines", "n", 10, "")
	size := flags.Int64P("bytes", "c", -1, "")
	if err := flags.Parse(dashNumber(c.Args)); err != nil {
		return err
	}
	many := flags.NArg() > 1
	return c.inputs(flags.Args(), func(name string, r io.Reader) error {
		if many {
			fmt.Fprintf(c.Out, "==> %s <==\n", name)
		}
		if *size >= 0 {
			_, err := io.CopyN(c.Out, r, *size)
			return ignoreEOF(err)
		}
		reader := bufio.NewReader(r)
		for range *lines {
			line, err := reader.ReadString('\n')
			if _, err := io.WriteString(c.Out, line); err != nil {
				return err
			}
			if err != nil {
				return ignoreEOF(err)
			}
		}
		return nil
	})
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// followInterval is how often tail -f looks for more.
const followInterval = 250 * time.Millisecond

func tail(c Call) error {
	flags := c.flags()
	count := flags.StringP("lines", "n", "10", "")
	follow := flags.BoolP("follow", "f", false, "")
	flags.BoolP("retry", "F", false, "")
	if err := flags.Parse(dashNumber(c.Args)); err != nil {
		return err
	}
	lines, err := strconv.Atoi(strings.TrimPrefix(*count, "+"))
	if err != nil || lines < 0 {
		return fmt.Errorf("-n %s: want a number of lines", *count)
	}
	fromStart := strings.HasPrefix(*count, "+")
	many := flags.NArg() > 1
	if *follow && flags.NArg() == 1 {
		return c.follow(flags.Arg(0), lines)
	}
	return c.inputs(flags.Args(), func(name string, r io.Reader) error {
		if many {
			fmt.Fprintf(c.Out, "==> %s <==\n", name)
		}
		return lastLines(c.Out, r, lines, fromStart)
	})
}

// lastLines prints the last lines, or all from a line on.
func lastLines(w io.Writer, r io.Reader, lines int, fromStart bool) error {
	reader := bufio.NewReader(r)
	var kept []string
	for number := 1; ; number++ {
		line, err := reader.ReadString('\n')
		if line != "" {
			switch {
			case fromStart && number < lines:
			case fromStart:
				if _, err := io.WriteString(w, line); err != nil {
					return err
				}
			case lines > 0:
				if len(kept) == lines {
					kept = kept[1:]
				}
				kept = append(kept, line)
			}
		}
		if err != nil {
			_, writeErr := io.WriteString(w, strings.Join(kept, ""))
			return errors.Join(writeErr, ignoreEOF(err))
		}
	}
}

// follow prints the end of a file and then what is added, until interrupted.
func (c Call) follow(name string, lines int) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := lastLines(c.Out, file, lines, false); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	for {
		if _, err := io.Copy(c.Out, file); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return status(130)
		}
		at, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			continue // a pipe
		}
		if info, err := file.Stat(); err == nil && info.Size() < at { // truncated
			if _, err := file.Seek(0, io.SeekStart); err != nil {
				return err
			}
		}
	}
}

func wc(c Call) error {
	flags := c.flags()
	showLines := flags.BoolP("lines", "l", false, "")
	showWords := flags.BoolP("words", "w", false, "")
	showBytes := flags.BoolP("bytes", "c", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	if !*showLines && !*showWords && !*showBytes {
		*showLines, *showWords, *showBytes = true, true, true
	}
	show := func(lines, words, bytes int64, name string) {
		var fields []string
		for _, f := range []struct {
			on    bool
			value int64
		}{{*showLines, lines}, {*showWords, words}, {*showBytes, bytes}} {
			if f.on {
				fields = append(fields, fmt.Sprint(f.value))
			}
		}
		if name != "-" {
			fields = append(fields, name)
		}
		fmt.Fprintln(c.Out, strings.Join(fields, " "))
	}
	var total [3]int64
	err := c.inputs(flags.Args(), func(name string, r io.Reader) error {
		var lines, words, bytes int64
		reader := bufio.NewReader(r)
		inWord := false
		for {
			char, err := reader.ReadByte()
			if err != nil {
				show(lines, words, bytes, name)
				total[0], total[1], total[2] = total[0]+lines, total[1]+words, total[2]+bytes
				return ignoreEOF(err)
			}
			bytes++
			if char == '\n' {
				lines++
			}
			space := strings.IndexByte(" \t\n\v\f\r", char) >= 0
			if !space && !inWord {
				words++
			}
			inWord = !space
		}
	})
	if flags.NArg() > 1 {
		show(total[0], total[1], total[2], "total")
	}
	return err
}

func tee(c Call) error {
	flags := c.flags()
	appends := flags.BoolP("append", "a", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	mode := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if *appends {
		mode = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	writers := []io.Writer{c.Out}
	for _, name := range flags.Args() {
		file, err := os.OpenFile(name, mode, 0o644)
		if err != nil {
			return err
		}
		defer file.Close()
		writers = append(writers, file)
	}
	_, err := io.Copy(io.MultiWriter(writers...), c.In)
	return err
}

// pattern compiles a regular expression. Basic expressions are taken as extended
// ones in which \| \( \) \+ and \? mean what they mean in GNU grep.
func pattern(text string, fixed, ignoreCase, word, extended bool) (*regexp.Regexp, error) {
	switch {
	case fixed:
		text = regexp.QuoteMeta(text)
	case !extended:
		const hidden = "\x00"
		text = strings.ReplaceAll(text, `\\`, hidden)
		for _, char := range []string{"|", "(", ")", "+", "?", "{", "}"} {
			text = strings.ReplaceAll(text, `\`+char, "\x01")
			text = strings.ReplaceAll(text, char, `\`+char)
			text = strings.ReplaceAll(text, "\x01", char)
		}
		text = strings.ReplaceAll(text, hidden, `\\`)
	}
	if word {
		text = `\b(?:` + text + `)\b`
	}
	if ignoreCase {
		text = "(?i)" + text
	}
	return regexp.Compile(text)
}

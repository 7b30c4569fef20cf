package applet

import (
	"bufio"
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
)

func fieldCommands() []command {
	return []command{
		{"sort", "[-nrufk FIELD] [-t SEPARATOR] [FILE...]: sort lines", sortLines},
		{"uniq", "[-cdu] [FILE]: join equal neighbours", uniq},
		{"cut", "-d SEPARATOR -f FIELDS | -c CHARACTERS [FILE...]: parts of lines", cut},
		{"tr", "[-ds] SET [SET]: replace or delete characters", tr},
		{"base64", "[-d] [FILE]: encode or decode", base64Command},
		{"sha256sum", "[FILE...]: checksums", func(c Call) error { return checksum(c, sha256.New) }},
		{"md5sum", "[FILE...]: checksums", func(c Call) error { return checksum(c, md5.New) }},
	}
}

func (c Call) lines(names []string) ([]string, error) {
	var all []string
	err := c.inputs(names, func(_ string, r io.Reader) error {
		body, err := io.ReadAll(r)
		for line := range strings.Lines(string(body)) {
			all = append(all, strings.TrimSuffix(line, "\n"))
		}
		return err
	})
	return all, err
}

func sortLines(c Call) error {
	flags := c.flags()
	numeric := flags.BoolP("numeric", "n", false, "")
	reverse := flags.BoolP("reverse", "r", false, "")
	unique := flags.BoolP("unique", "u", false, "")
	fold := flags.BoolP("ignore-case", "f", false, "")
	human := flags.BoolP("human", "h", false, "")
	key := flags.StringP("key", "k", "", "")
	separator := flags.StringP("separator", "t", "", "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	all, err := c.lines(flags.Args())
	if err != nil && all == nil {
		return err
	}
	field := 0
	if *key != "" {
		if _, scanErr := fmt.Sscanf(*key, "%d", &field); scanErr != nil || field < 1 {
			return fmt.Errorf("-k %s: want a field number", *key)
		}
		*numeric = *numeric || strings.Contains(*key, "n")
		*reverse = *reverse || strings.Contains(*key, "r")
	}
	of := func(line string) string {
		if field > 0 {
			parts := strings.Fields(line)
			if *separator != "" {
				parts = strings.Split(line, *separator)
			}
			if line = ""; field <= len(parts) {
				line = strings.Join(parts[field-1:], " ")
			}
		}
		if *fold {
			line = strings.ToUpper(line)
		}
		return line
	}
	compare := func(a, b string) int {
		if *numeric || *human {
			if order := cmp.Compare(leadingNumber(of(a)), leadingNumber(of(b))); order != 0 || *unique {
				return order
			}
		}
		return strings.Compare(of(a), of(b))
	}
	slices.SortStableFunc(all, func(a, b string) int {
		if *reverse {
			return compare(b, a)
		}
		return compare(a, b)
	})
	if *unique {
		all = slices.CompactFunc(all, func(a, b string) bool { return compare(a, b) == 0 })
	}
	for _, line := range all {
		fmt.Fprintln(c.Out, line)
	}
	return err
}

// leadingNumber reads the number at the start of a field, with the unit of a
// human-readable size if there is one.
func leadingNumber(text string) float64 {
	text = strings.TrimSpace(text)
	end := 0
	for end < len(text) && strings.IndexByte("+-.0123456789", text[end]) >= 0 {
		end++
	}
	value, err := strconv.ParseFloat(text[:end], 64)
	if err != nil {
		return 0
	}
	if end < len(text) {
		for range strings.IndexByte("KMGTPE", text[end]) + 1 {
			value *= 1024
		}
	}
	return value
}

func uniq(c Call) error {
	flags := c.flags()
	count := flags.BoolP("count", "c", false, "")
	repeated := flags.BoolP("repeated", "d", false, "")
	single := flags.BoolP("unique", "u", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	return c.inputs(flags.Args(), func(_ string, r io.Reader) error {
		reader := bufio.NewReader(r)
		previous, seen := "", 0
		flush := func() {
			if seen == 0 || *repeated && seen == 1 || *single && seen > 1 {
				return
			}
			if *count {
				fmt.Fprintf(c.Out, "%7d ", seen)
			}
			fmt.Fprintln(c.Out, previous)
		}
		for {
			line, err := reader.ReadString('\n')
			if line != "" {
				line = strings.TrimSuffix(line, "\n")
				if seen > 0 && line != previous {
					flush()
					seen = 0
				}
				previous = line
				seen++
			}
			if err != nil {
				flush()
				return ignoreEOF(err)
			}
		}
	})
}

// ranges reads a list such as 1,3-5,7- into a test.
func ranges(list string) (func(int) bool, error) {
	type span struct{ low, high int }
	var spans []span
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, "-")
		s := span{1, 1 << 30}
		var err error
		if low != "" {
			s.low, err = strconv.Atoi(low)
		}
		if high != "" && err == nil {
			s.high, err = strconv.Atoi(high)
		}
		if !isRange {
			s.high = s.low
		}
		if err != nil || part == "" || part == "-" || s.low < 1 {
			return nil, fmt.Errorf("%q is not a list of numbers and ranges", list)
		}
		spans = append(spans, s)
	}
	return func(at int) bool {
		return slices.ContainsFunc(spans, func(s span) bool { return s.low <= at && at <= s.high })
	}, nil
}

func cut(c Call) error {
	flags := c.flags()
	separator := flags.StringP("delimiter", "d", "\t", "")
	fields := flags.StringP("fields", "f", "", "")
	characters := flags.StringP("characters", "c", "", "")
	only := flags.BoolP("only-delimited", "s", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	if (*fields == "") == (*characters == "") {
		return errors.New("want one of -f and -c")
	}
	wanted, err := ranges(*fields + *characters)
	if err != nil {
		return err
	}
	all, err := c.lines(flags.Args())
	for _, line := range all {
		joint, parts := "", strings.Split(line, "")
		if *fields != "" {
			joint, parts = *separator, strings.Split(line, *separator)
			if len(parts) == 1 {
				if !*only {
					fmt.Fprintln(c.Out, line)
				}
				continue
			}
		}
		var kept []string
		for at, part := range parts {
			if wanted(at + 1) {
				kept = append(kept, part)
			}
		}
		fmt.Fprintln(c.Out, strings.Join(kept, joint))
	}
	return err
}

// characterSet expands ranges, classes and escapes of tr.
func characterSet(text string) []rune {
	for class, members := range map[string]string{
		"[:upper:]": "A-Z", "[:lower:]": "a-z", "[:digit:]": "0-9", "[:space:]": " \\t\\n\\r", "[:alpha:]": "A-Za-z", "[:alnum:]": "A-Za-z0-9",
	} {
		text = strings.ReplaceAll(text, class, members)
	}
	text = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r", `\0`, "\x00", `\\`, `\`).Replace(text)
	in := []rune(text)
	var out []rune
	for at := 0; at < len(in); at++ {
		if at+2 < len(in) && in[at+1] == '-' && in[at] <= in[at+2] {
			for char := in[at]; char <= in[at+2]; char++ {
				out = append(out, char)
			}
			at += 2
			continue
		}
		out = append(out, in[at])
	}
	return out
}

func tr(c Call) error {
	flags := c.flags()
	remove := flags.BoolP("delete", "d", false, "")
	squeeze := flags.BoolP("squeeze", "s", false, "")
	complement := flags.BoolP("complement", "c", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	if flags.NArg() == 0 || flags.NArg() == 1 && !*remove && !*squeeze {
		return errors.New("want two sets, or one with -d or -s")
	}
	from, to := characterSet(flags.Arg(0)), characterSet(flags.Arg(1))
	reader, writer := bufio.NewReader(c.In), bufio.NewWriter(c.Out)
	previous := rune(-1)
	for {
		char, _, err := reader.ReadRune()
		if err != nil {
			return errors.Join(writer.Flush(), ignoreEOF(err))
		}
		at := slices.Index(from, char)
		hit := (at >= 0) != *complement
		if hit && *remove {
			continue
		}
		if hit && len(to) > 0 {
			char = to[len(to)-1]
			if at >= 0 && at < len(to) {
				char = to[at]
			}
		}
		if hit && *squeeze && char == previous {
			continue
		}
		previous = char
		if _, err := writer.WriteRune(char); err != nil {
			return err
		}
	}
}

func base64Command(c Call) error {
	flags := c.flags()
	decode := flags.BoolP("decode", "d", false, "")
	flags.IntP("wrap", "w", 0, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	return c.inputs(flags.Args(), func(_ string, r io.Reader) error {
		if *decode {
			_, err := io.Copy(c.Out, base64.NewDecoder(base64.StdEncoding, r))
			return err
		}
		encoder := base64.NewEncoder(base64.StdEncoding, c.Out)
		_, err := io.Copy(encoder, r)
		err = errors.Join(err, encoder.Close())
		fmt.Fprintln(c.Out)
		return err
	})
}

func checksum(c Call, make func() hash.Hash) error {
	return c.inputs(c.Args, func(name string, r io.Reader) error {
		sum := make()
		if _, err := io.Copy(sum, r); err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "%x  %s\n", sum.Sum(nil), name)
		return nil
	})
}

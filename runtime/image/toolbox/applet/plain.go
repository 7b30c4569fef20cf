package applet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func plainCommands() []command {
	return []command{
		{"true", ": succeed", func(Call) error { return nil }},
		{"false", ": fail", func(Call) error { return status(1) }},
		{"echo", "[-ne] WORD...: print words", echo},
		{"yes", "[WORD]: print a word for ever", yes},
		{"seq", "[FIRST [STEP]] LAST: print numbers", seq},
		{"pwd", ": print the working directory", pwd},
		{"basename", "PATH [SUFFIX]: the last part of a path", basename},
		{"dirname", "PATH: all but the last part of a path", dirname},
		{"env", "[-i] [NAME=VALUE...] [COMMAND...]: print the environment, or run with another", env},
		{"printenv", "[NAME...]: print the environment", printenv},
		{"which", "COMMAND...: find commands", which},
		{"clear", ": clear the screen", func(c Call) error { fmt.Fprint(c.Out, "\x1b[H\x1b[2J"); return nil }},
	}
}

func echo(c Call) error {
	args, end, escapes := c.Args, "\n", false
	for len(args) > 0 && slices.Contains([]string{"-n", "-e", "-ne", "-en"}, args[0]) {
		if strings.Contains(args[0], "n") {
			end = ""
		}
		escapes = escapes || strings.Contains(args[0], "e")
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		text = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r", `\e`, "\x1b", `\\`, `\`).Replace(text)
	}
	_, err := fmt.Fprint(c.Out, text, end)
	return err
}

func yes(c Call) error {
	word := "y\n"
	if len(c.Args) > 0 {
		word = strings.Join(c.Args, " ") + "\n"
	}
	block := strings.Repeat(word, 1+4096/len(word))
	for {
		if _, err := fmt.Fprint(c.Out, block); err != nil {
			return status(1)
		}
	}
}

func seq(c Call) error {
	numbers := make([]float64, len(c.Args))
	for at, arg := range c.Args {
		var err error
		if numbers[at], err = strconv.ParseFloat(arg, 64); err != nil {
			return fmt.Errorf("%q is not a number", arg)
		}
	}
	first, step, last := 1.0, 1.0, 0.0
	switch len(numbers) {
	case 1:
		last = numbers[0]
	case 2:
		first, last = numbers[0], numbers[1]
	case 3:
		first, step, last = numbers[0], numbers[1], numbers[2]
	default:
		return errors.New("want one to three numbers")
	}
	if step == 0 {
		return errors.New("the step must not be 0")
	}
	for at := 0; ; at++ {
		value := first + float64(at)*step
		if step > 0 && value > last || step < 0 && value < last {
			return nil
		}
		if _, err := fmt.Fprintln(c.Out, strconv.FormatFloat(value, 'f', -1, 64)); err != nil {
			return status(1)
		}
	}
}

func pwd(c Call) error {
	dir, err := os.Getwd()
	if err == nil {
		fmt.Fprintln(c.Out, dir)
	}
	return err
}

func basename(c Call) error {
	if len(c.Args) == 0 {
		return errors.New("want a path")
	}
	base := filepath.Base(c.Args[0])
	if len(c.Args) > 1 && base != c.Args[1] {
		base = strings.TrimSuffix(base, c.Args[1])
	}
	fmt.Fprintln(c.Out, base)
	return nil
}

func dirname(c Call) error {
	if len(c.Args) == 0 {
		return errors.New("want a path")
	}
	fmt.Fprintln(c.Out, filepath.Dir(strings.TrimRight(c.Args[0], "/")))
	return nil
}

func env(c Call) error {
	flags := c.flags()
	flags.SetInterspersed(false)
	empty := flags.BoolP("ignore-environment", "i", false, "")
	remove := flags.StringArrayP("unset", "u", nil, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	environment := os.Environ()
	if *empty {
		environment = nil
	}
	environment = slices.DeleteFunc(environment, func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.Contains(*remove, name)
	})
	args := flags.Args()
	for len(args) > 0 && strings.Contains(args[0], "=") {
		environment = append(environment, args[0])
		args = args[1:]
	}
	if len(args) > 0 {
		return replace(args, environment)
	}
	for _, pair := range environment {
		fmt.Fprintln(c.Out, pair)
	}
	return nil
}

// replace makes this process another program.
func replace(args, environment []string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, args, environment)
}

func printenv(c Call) error {
	if len(c.Args) == 0 {
		return env(c)
	}
	var failed error
	for _, name := range c.Args {
		value, ok := os.LookupEnv(name)
		if !ok {
			failed = status(1)
			continue
		}
		fmt.Fprintln(c.Out, value)
	}
	return failed
}

func which(c Call) error {
	var failed error
	for _, name := range c.Args {
		path, err := exec.LookPath(name)
		if err != nil {
			failed = status(1)
			continue
		}
		fmt.Fprintln(c.Out, path)
	}
	return failed
}

// Package applet holds the commands of the toolbox image. File commands come from
// u-root's libraries and the shell from mvdan.cc/sh; the rest is here, small, with
// the options that people use from memory. Where variants differ, busybox's
// options are followed.
package applet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Call is one invocation of a command.
type Call struct {
	Name     string   // as called
	Args     []string // without the name
	In       io.Reader
	Out, Err io.Writer
}

// command is a command by name. Its run function reports a non-zero exit code
// without message as status.
type command struct {
	name  string
	usage string // arguments and meaning, for --help
	run   func(Call) error
}

// status is an exit code that needs no further words.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Names lists all commands in alphabetical order.
func Names() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	slices.Sort(names)
	return names
}

// commands is the whole table, one group a file.
func commands() []command {
	return slices.Concat(shellCommands(), fileCommands(), listCommands(), diskCommands(), archiveCommands(), textCommands(),
		fieldCommands(), plainCommands(), systemCommands(), processCommands(), timeCommands(),
		webCommands(), nameCommands(), socketCommands(), pingCommands(), linkCommands())
}

// Main runs the command that argv names and returns its exit code.
func Main(argv []string) int {
	if len(argv) == 0 {
		return 127
	}
	name, args := path.Base(argv[0]), argv[1:]
	name = strings.TrimPrefix(name, "-") // a login shell
	if name == "toolbox" {
		if len(args) == 0 || strings.HasPrefix(args[0], "-") {
			fmt.Println(strings.Join(Names(), "\n"))
			return 0
		}
		name, args = args[0], args[1:]
	}
	return run(Call{Name: name, Args: args, In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}

func run(call Call) int {
	table := commands()
	at := slices.IndexFunc(table, func(c command) bool { return c.name == call.Name })
	if at < 0 {
		fmt.Fprintf(call.Err, "toolbox: no command %q; 'toolbox' lists them\n", call.Name)
		return 127
	}
	var err error
	if len(call.Args) == 1 && call.Args[0] == "--help" && call.Name != "echo" {
		err = pflag.ErrHelp
	} else {
		err = table[at].run(call)
	}
	var code status
	switch {
	case err == nil:
		return 0
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprintf(call.Out, "usage: %s %s\n", call.Name, table[at].usage)
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintf(call.Err, "%s: %v\n", call.Name, err)
	return 1
}

// flags is a flag set with help but without output of its own.
func (c Call) flags() *pflag.FlagSet {
	set := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	return set
}

// warn prints a message and remembers that the exit code is 1.
func (c Call) warn(failed *error, err error) {
	fmt.Fprintf(c.Err, "%s: %v\n", c.Name, err)
	*failed = status(1)
}

// inputs calls use with every named file, or with standard input for none or "-".
func (c Call) inputs(names []string, use func(name string, r io.Reader) error) error {
	if len(names) == 0 {
		return use("-", c.In)
	}
	var failed error
	for _, name := range names {
		if name == "-" {
			if err := use(name, c.In); err != nil {
				return err
			}
			continue
		}
		file, err := os.Open(name)
		if err != nil {
			c.warn(&failed, err)
			continue
		}
		err = use(name, file)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return failed
}

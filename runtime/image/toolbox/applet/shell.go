package applet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

func shellCommands() []command {
	const usage = "[-eux] [-c COMMAND [NAME [ARGS]]] | [FILE [ARGS]]: run a POSIX shell"
	return []command{{"sh", usage, shell}, {"bash", usage, shell}, {"ash", usage, shell}}
}

// childGrace is how long a command may take to end after the shell was
// interrupted, before it is killed.
const childGrace = 2 * time.Second

func shell(c Call) error {
	flags := c.flags()
	flags.SetInterspersed(false)
	script := flags.StringP("command", "c", "", "")
	options := map[string]*bool{}
	for _, letter := range []string{"e", "u", "x", "f", "n", "a"} {
		options[letter] = flags.BoolP("set-"+letter, letter, false, "")
	}
	for _, ignored := range []string{"l", "i", "s"} {
		flags.BoolP("ignored-"+ignored, ignored, false, "")
	}
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	args := flags.Args()
	name, source := c.Name, io.Reader(nil)
	switch {
	case flags.Changed("command"):
		source = strings.NewReader(*script)
		if len(args) > 0 {
			name, args = args[0], args[1:]
		}
	case len(args) > 0:
		file, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer file.Close()
		source, name, args = file, args[0], args[1:]
	}

	var params []string
	for letter, on := range options {
		if *on {
			params = append(params, "-"+letter)
		}
	}
	runner, err := interp.New(
		interp.StdIO(c.In, c.Out, c.Err),
		interp.Params(append(append(params, "--"), args...)...),
		interp.CallHandler(externalKill),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc {
			return interp.DefaultExecHandler(childGrace)
		}),
	)
	if err != nil {
		return err
	}
	terminal, isFile := c.In.(*os.File)
	if source == nil && isFile && term.IsTerminal(int(terminal.Fd())) {
		return interactive(runner, terminal, c)
	}
	if source == nil {
		source = c.In
	}
	return runScript(runner, source, name)
}

// externalKill runs the program kill: the interpreter counts it as built in but
// does not have it.
func externalKill(ctx context.Context, args []string) ([]string, error) {
	if args[0] != "kill" {
		return args, nil
	}
	at := interp.HandlerCtx(ctx)
	path, err := interp.LookPathDir(at.Dir, at.Env, "kill")
	if err != nil {
		fmt.Fprintln(at.Stderr, "kill:", err)
		return []string{"false"}, nil
	}
	return append([]string{path}, args[1:]...), nil
}

// runScript ends with 128 plus the signal's number on SIGTERM and SIGINT. A shell
// is often PID 1 of a container, where the signal alone would not end it.
func runScript(runner *interp.Runner, source io.Reader, name string) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	go func() {
		select {
		case got := <-signals:
			cancel(status(128 + int(got.(syscall.Signal))))
		case <-ctx.Done():
		}
	}()

	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(source, name)
	if err != nil {
		return err
	}
	err = runner.Run(ctx, file)
	var interrupted status
	if errors.As(context.Cause(ctx), &interrupted) {
		return interrupted
	}
	return shellStatus(err)
}

func shellStatus(err error) error {
	var exit interp.ExitStatus
	if errors.As(err, &exit) {
		return status(exit)
	}
	return err
}

// interactive reads commands with line editing and a history. The terminal is in
// raw mode only while a line is read. Ctrl-C ends the running command.
func interactive(runner *interp.Runner, terminal *os.File, c Call) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT)
	defer signal.Stop(signals)
	editor := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{terminal, c.Out}, "")
	parser := syntax.NewParser(syntax.Variant(syntax.LangBash))
	runner.Reset()

	var last error
	var pending string
	for done := false; !done; {
		prompt := runner.Dir + " # "
		if pending != "" {
			prompt = "> "
		}
		line, err := readLine(editor, terminal, prompt)
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(c.Out)
			break
		}
		if err != nil {
			return err
		}
		file, err := parser.Parse(strings.NewReader(pending+line+"\n"), c.Name)
		if syntax.IsIncomplete(err) {
			pending += line + "\n"
			continue
		}
		pending = ""
		if err != nil {
			fmt.Fprintf(c.Err, "%s: %v\n", c.Name, err)
			continue
		}
		for _, statement := range file.Stmts {
			var interrupted bool
			interrupted, last = runInterruptible(runner, statement, signals)
			if interrupted { // the interpreter would exit
				fmt.Fprintln(c.Out)
				last = interp.ExitStatus(128 + int(syscall.SIGINT))
				break
			}
			if done = runner.Exited(); done {
				break
			}
		}
	}
	return shellStatus(last)
}

func readLine(editor *term.Terminal, terminal *os.File, prompt string) (string, error) {
	before, err := term.MakeRaw(int(terminal.Fd()))
	if err != nil {
		return "", err
	}
	if width, height, err := term.GetSize(int(terminal.Fd())); err == nil && width > 0 {
		_ = editor.SetSize(width, height) // an odd size only misplaces the cursor
	}
	editor.SetPrompt(prompt)
	line, err := editor.ReadLine()
	return line, errors.Join(err, term.Restore(int(terminal.Fd()), before))
}

// runInterruptible runs one statement and says whether Ctrl-C ended it.
func runInterruptible(runner *interp.Runner, statement *syntax.Stmt, signals <-chan os.Signal) (bool, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watched := make(chan struct{})
	interrupted := false
	go func() {
		defer close(watched)
		select {
		case <-signals:
			interrupted = true
			cancel()
		case <-ctx.Done():
		}
	}()
	err := runner.Run(ctx, statement)
	cancel()
	<-watched
	return interrupted, err
}

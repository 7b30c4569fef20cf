package applet

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

func processCommands() []command {
	return []command{
		{"ps", "[aux] [-ef]: list processes", ps},
		{"pidof", "NAME...: process IDs by name", pidof},
		{"pgrep", "[-f] PATTERN: process IDs by pattern", pgrep},
		{"kill", "[-SIGNAL] PID...: send a signal", kill},
		{"killall", "[-SIGNAL] NAME...: send a signal by name", killall},
		{"timeout", "[-s SIGNAL] SECONDS COMMAND...: run a command with a limit", timeout},
		{"nohup", "COMMAND...: run a command that ignores SIGHUP", nohup},
	}
}

// process is one row of ps.
type process struct {
	pid, parent int
	user, state string
	memory      uint64 // resident, bytes
	ticks       uint64 // processor time, in hundredths of a second
	name        string // as in /proc/PID/comm
	line        string // command line, or the name in brackets
}

func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b process) int { return cmp.Compare(a.pid, b.pid) })
	return all, nil
}

// readProcess returns false if the process ended meanwhile.
func readProcess(pid int) (process, bool) {
	dir := fmt.Sprintf("/proc/%d", pid)
	body, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return process{}, false
	}
	// The name is in parentheses and may contain any character.
	open, end := strings.IndexByte(string(body), '('), strings.LastIndexByte(string(body), ')')
	if open < 0 || end < open {
		return process{}, false
	}
	f := strings.Fields(string(body[end+1:]))
	if len(f) < 22 {
		return process{}, false
	}
	number := func(at int) uint64 { value, _ := strconv.ParseUint(f[at], 10, 64); return value }
	p := process{
		pid: pid, parent: int(number(1)), state: f[0], name: string(body[open+1 : end]),
		ticks: number(11) + number(12), memory: number(21) * uint64(os.Getpagesize()),
	}
	p.line = "[" + p.name + "]"
	if line, err := os.ReadFile(dir + "/cmdline"); err == nil && len(line) > 0 {
		p.line = strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
	}
	p.user = "?"
	if info, err := os.Stat(dir); err == nil {
		if system, ok := info.Sys().(*syscall.Stat_t); ok {
			p.user = userName(uint64(system.Uid))
		}
	}
	return p, true
}

// ps shows all processes with all columns, whatever the options.
func ps(c Call) error {
	all, err := processes()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PID\tPPID\tUSER\tSTAT\tRSS\tTIME\tCOMMAND")
	for _, p := range all {
		seconds := p.ticks / 100
		fmt.Fprintf(table, "%d\t%d\t%s\t%s\t%s\t%d:%02d\t%s\n", p.pid, p.parent, p.user, p.state, humanSize(p.memory), seconds/60, seconds%60, p.line)
	}
	return table.Flush()
}

// called says whether a process was started under a name.
func (p process) called(name string) bool {
	first, _, _ := strings.Cut(p.line, " ")
	return p.name == name || first == name || strings.HasSuffix(first, "/"+name)
}

func pidof(c Call) error {
	all, err := processes()
	if err != nil {
		return err
	}
	var found []string
	for _, p := range all {
		if p.pid != os.Getpid() && slices.ContainsFunc(c.Args, p.called) {
			found = append(found, strconv.Itoa(p.pid))
		}
	}
	if len(found) == 0 {
		return status(1)
	}
	fmt.Fprintln(c.Out, strings.Join(found, " "))
	return nil
}

func pgrep(c Call) error {
	flags := c.flags()
	full := flags.BoolP("full", "f", false, "")
	list := flags.BoolP("list", "l", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("want one pattern")
	}
	expression, err := pattern(flags.Arg(0), false, false, false, true)
	if err != nil {
		return err
	}
	all, err := processes()
	if err != nil {
		return err
	}
	failed := error(status(1))
	for _, p := range all {
		text := p.name
		if *full {
			text = p.line
		}
		if p.pid == os.Getpid() || !expression.MatchString(text) {
			continue
		}
		failed = nil
		if *list {
			fmt.Fprintln(c.Out, p.pid, text)
		} else {
			fmt.Fprintln(c.Out, p.pid)
		}
	}
	return failed
}

// signalByName understands 9, KILL and SIGKILL.
func signalByName(text string) (syscall.Signal, error) {
	if number, err := strconv.Atoi(text); err == nil && number >= 0 && number <= 64 {
		return syscall.Signal(number), nil
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if found := unix.SignalNum(name); found != 0 {
		return found, nil
	}
	return 0, fmt.Errorf("no signal %q", text)
}

// signalAndTargets splits the arguments of kill and killall.
func signalAndTargets(args []string) (syscall.Signal, []string, error) {
	if len(args) > 1 && args[0] == "-s" {
		found, err := signalByName(args[1])
		return found, args[2:], err
	}
	if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && args[0] != "--" {
		found, err := signalByName(args[0][1:])
		return found, args[1:], err
	}
	return syscall.SIGTERM, args, nil
}

func kill(c Call) error {
	if len(c.Args) == 1 && c.Args[0] == "-l" {
		for number := 1; number < 32; number++ {
			fmt.Fprintf(c.Out, "%2d %s\n", number, strings.TrimPrefix(unix.SignalName(syscall.Signal(number)), "SIG"))
		}
		return nil
	}
	sent, targets, err := signalAndTargets(c.Args)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return errors.New("want a process ID")
	}
	var failed error
	for _, target := range targets {
		pid, err := strconv.Atoi(target)
		if err == nil {
			err = syscall.Kill(pid, sent)
		}
		if err != nil {
			c.warn(&failed, fmt.Errorf("%s: %w", target, err))
		}
	}
	return failed
}

func killall(c Call) error {
	sent, names, err := signalAndTargets(c.Args)
	if err != nil {
		return err
	}
	all, err := processes()
	if err != nil {
		return err
	}
	failed := error(status(1))
	for _, p := range all {
		if p.pid == os.Getpid() || !slices.ContainsFunc(names, p.called) {
			continue
		}
		if err := syscall.Kill(p.pid, sent); err != nil {
			return fmt.Errorf("%d: %w", p.pid, err)
		}
		failed = nil
	}
	return failed
}

func timeout(c Call) error {
	flags := c.flags()
	flags.SetInterspersed(false)
	with := flags.StringP("signal", "s", "TERM", "")
	killAfter := flags.StringP("kill-after", "k", "", "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	if flags.NArg() < 2 {
		return errors.New("want a duration and a command")
	}
	sent, err := signalByName(*with)
	if err != nil {
		return err
	}
	limit, err := duration(flags.Arg(0))
	if err != nil {
		return err
	}
	child := exec.Command(flags.Arg(1), flags.Args()[2:]...)
	child.Stdin, child.Stdout, child.Stderr = c.In, c.Out, c.Err
	if err := child.Start(); err != nil {
		return err
	}
	expired := time.AfterFunc(limit, func() { _ = child.Process.Signal(sent) })
	if *killAfter != "" {
		grace, err := duration(*killAfter)
		if err != nil {
			return err
		}
		hard := time.AfterFunc(limit+grace, func() { _ = child.Process.Kill() })
		defer hard.Stop()
	}
	err = child.Wait()
	if !expired.Stop() {
		return status(124)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return status(exit.ExitCode())
	}
	return err
}

func nohup(c Call) error {
	if len(c.Args) == 0 {
		return errors.New("want a command")
	}
	signal.Ignore(syscall.SIGHUP) // stays ignored over exec
	return replace(c.Args, os.Environ())
}

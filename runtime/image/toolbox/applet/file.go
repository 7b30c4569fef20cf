package applet

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
	"github.com/u-root/u-root/pkg/core"
	"github.com/u-root/u-root/pkg/core/cat"
	"github.com/u-root/u-root/pkg/core/chmod"
	"github.com/u-root/u-root/pkg/core/cp"
	"github.com/u-root/u-root/pkg/core/find"
	"github.com/u-root/u-root/pkg/core/mkdir"
	"github.com/u-root/u-root/pkg/core/mktemp"
	"github.com/u-root/u-root/pkg/core/mv"
	"github.com/u-root/u-root/pkg/core/rm"
	"github.com/u-root/u-root/pkg/core/touch"
	"github.com/u-root/u-root/pkg/core/xargs"
)

func fileCommands() []command {
	return []command{
		uroot("cat", "[FILE...]: print files", cat.New),
		uroot("chmod", "[-R] MODE FILE...: change permissions", chmod.New),
		uroot("cp", "[-r] SOURCE... TARGET: copy", cp.New),
		uroot("find", "[DIR] [-name GLOB] [-type f|d|l]: search files", find.New),
		uroot("mkdir", "[-p] [-m MODE] DIR...: make directories", mkdir.New),
		uroot("mktemp", "[-d] [TEMPLATE]: make a temporary file", mktemp.New),
		uroot("mv", "SOURCE... TARGET: rename", mv.New),
		uroot("rm", "[-rf] FILE...: remove", rm.New),
		uroot("touch", "[-c] FILE...: make files or set their times", touch.New),
		uroot("xargs", "[-n MAX] COMMAND...: run a command with arguments from the input", xargs.New),
		{"rmdir", "DIR...: remove empty directories", rmdir},
		{"ln", "[-sf] TARGET LINK: make a link", ln},
		{"readlink", "[-f] LINK: print where a link leads", readlink},
		{"realpath", "FILE...: print the path without links", realpath},
	}
}

// uroot adapts a command of u-root.
func uroot(name, usage string, make func() core.Command) command {
	return command{name, usage, func(c Call) error {
		impl := make()
		impl.SetIO(c.In, c.Out, c.Err)
		err := impl.RunContext(context.Background(), normalise(name, c.Args)...)
		if errors.Is(err, flag.ErrHelp) {
			return pflag.ErrHelp
		}
		return err
	}}
}

// normalise adds what u-root's commands do not know: a default directory for
// find, and cp -a.
func normalise(name string, args []string) []string {
	switch name {
	case "find":
		if len(args) == 0 || args[0] != "" && args[0][0] == '-' {
			return append([]string{"."}, args...)
		}
	case "cp":
		out := make([]string, 0, len(args)+1)
		for _, arg := range args {
			switch arg {
			case "-a":
				out = append(out, "-r", "-P")
			case "-p":
			default:
				out = append(out, arg)
			}
		}
		return out
	}
	return args
}

func rmdir(c Call) error {
	var failed error
	for _, name := range c.Args {
		if info, err := os.Lstat(name); err == nil && !info.IsDir() {
			c.warn(&failed, fmt.Errorf("%s: not a directory", name))
			continue
		}
		if err := os.Remove(name); err != nil {
			c.warn(&failed, err)
		}
	}
	return failed
}

func ln(c Call) error {
	flags := c.flags()
	symbolic := flags.BoolP("symbolic", "s", false, "")
	force := flags.BoolP("force", "f", false, "")
	flags.BoolP("no-dereference", "n", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	if flags.NArg() < 1 || flags.NArg() > 2 {
		return fmt.Errorf("want a target and a link name")
	}
	target, link := flags.Arg(0), filepath.Base(flags.Arg(0))
	if flags.NArg() == 2 {
		link = flags.Arg(1)
	}
	if info, err := os.Stat(link); err == nil && info.IsDir() && !*force {
		link = filepath.Join(link, filepath.Base(target))
	}
	if *force {
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if *symbolic {
		return os.Symlink(target, link)
	}
	return os.Link(target, link)
}

func readlink(c Call) error {
	flags := c.flags()
	follow := flags.BoolP("canonicalize", "f", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	if *follow {
		return realpath(Call{Name: c.Name, Args: flags.Args(), Out: c.Out, Err: c.Err})
	}
	for _, name := range flags.Args() {
		target, err := os.Readlink(name)
		if err != nil {
			return status(1)
		}
		fmt.Fprintln(c.Out, target)
	}
	return nil
}

func realpath(c Call) error {
	var failed error
	for _, name := range c.Args {
		resolved, err := filepath.EvalSymlinks(name)
		if err == nil {
			resolved, err = filepath.Abs(resolved)
		}
		if err != nil {
			c.warn(&failed, err)
			continue
		}
		fmt.Fprintln(c.Out, resolved)
	}
	return failed
}

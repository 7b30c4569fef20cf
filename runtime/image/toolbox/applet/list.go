package applet

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func listCommands() []command {
	return []command{
		{"ls", "[-1aAdFhilRrSt] [FILE...]: list files", ls},
		{"stat", "FILE...: print size, mode, owner and times", stat},
	}
}

// listing is the options of one ls.
type listing struct {
	call                                           Call
	all, almost, directory, classify, human, inode bool
	long, recurse, reverse, size, time             bool
}

func ls(c Call) error {
	l := listing{call: c}
	flags := c.flags()
	for letter, on := range map[string]*bool{
		"a": &l.all, "A": &l.almost, "d": &l.directory, "F": &l.classify, "h": &l.human, "i": &l.inode,
		"l": &l.long, "R": &l.recurse, "r": &l.reverse, "S": &l.size, "t": &l.time, "1": new(bool), "n": new(bool),
	} {
		flags.BoolVarP(on, "option-"+letter, letter, false, "")
	}
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	names := flags.Args()
	if len(names) == 0 {
		names = []string{"."}
	}
	var failed error
	var files []entry
	var directories []string
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || l.long {
			if info, err = os.Lstat(name); err != nil {
				c.warn(&failed, err)
				continue
			}
		}
		if info.IsDir() && !l.directory {
			directories = append(directories, name)
			continue
		}
		files = append(files, entry{name, name, info})
	}
	l.print(files)
	for at, name := range directories {
		if len(names) > 1 || l.recurse {
			if at > 0 || len(files) > 0 {
				fmt.Fprintln(c.Out)
			}
			fmt.Fprintln(c.Out, name+":")
		}
		if err := l.directoryOf(name); err != nil {
			c.warn(&failed, err)
		}
	}
	return failed
}

// entry is one file: the name to print, where it is, and what it is.
type entry struct {
	name, path string
	info       fs.FileInfo
}

func (l listing) directoryOf(name string) error {
	found, err := os.ReadDir(name)
	if err != nil {
		return err
	}
	var files []entry
	if l.all {
		for _, dot := range []string{".", ".."} {
			if info, err := os.Lstat(filepath.Join(name, dot)); err == nil {
				files = append(files, entry{dot, filepath.Join(name, dot), info})
			}
		}
	}
	for _, item := range found {
		if strings.HasPrefix(item.Name(), ".") && !l.all && !l.almost {
			continue
		}
		info, err := item.Info()
		if err != nil {
			continue // removed meanwhile
		}
		files = append(files, entry{item.Name(), filepath.Join(name, item.Name()), info})
	}
	l.print(files)
	if !l.recurse {
		return nil
	}
	for _, file := range files {
		if file.info.IsDir() && file.name != "." && file.name != ".." {
			fmt.Fprintf(l.call.Out, "\n%s:\n", file.path)
			if err := l.directoryOf(file.path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l listing) print(files []entry) {
	slices.SortStableFunc(files, func(a, b entry) int {
		order := strings.Compare(a.name, b.name)
		switch {
		case l.size:
			order = cmp.Or(cmp.Compare(b.info.Size(), a.info.Size()), order)
		case l.time:
			order = cmp.Or(b.info.ModTime().Compare(a.info.ModTime()), order)
		}
		if l.reverse {
			return -order
		}
		return order
	})
	var rows strings.Builder
	table := tabwriter.NewWriter(&rows, 0, 0, 1, ' ', tabwriter.AlignRight)
	for _, file := range files {
		name := file.name
		if l.classify {
			name += indicator(file.info.Mode())
		}
		system, _ := file.info.Sys().(*syscall.Stat_t)
		prefix := ""
		if l.inode && system != nil {
			prefix = strconv.FormatUint(system.Ino, 10) + " "
		}
		if !l.long {
			fmt.Fprintln(l.call.Out, prefix+name)
			continue
		}
		if target, err := os.Readlink(file.path); err == nil {
			name += " -> " + target
		}
		var links, uid, gid uint64
		if system != nil {
			links, uid, gid = uint64(system.Nlink), uint64(system.Uid), uint64(system.Gid)
		}
		fmt.Fprintf(table, "%s%s\t%d\t%s\t%s\t%s\t %s %s\n", prefix, modeText(file.info.Mode()), links,
			userName(uid), groupName(gid), l.sizeText(file.info.Size()), stamp(file.info.ModTime()), name)
	}
	_ = table.Flush() // to memory
	for row := range strings.Lines(rows.String()) {
		fmt.Fprint(l.call.Out, row[1:]) // the first column is padded too
	}
}

func (l listing) sizeText(size int64) string {
	if l.human {
		return humanSize(uint64(size))
	}
	return strconv.FormatInt(size, 10)
}

func stamp(at time.Time) string { return at.Format("Jan _2 2006 15:04") }

func indicator(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "/"
	case mode&fs.ModeSymlink != 0:
		return "@"
	case mode&fs.ModeNamedPipe != 0:
		return "|"
	case mode&fs.ModeSocket != 0:
		return "="
	case mode&0o111 != 0:
		return "*"
	}
	return ""
}

// modeText is the mode as ls -l has it: Go puts other letters for some types and
// the sticky bit elsewhere.
func modeText(mode fs.FileMode) string {
	kind := "-"
	switch {
	case mode.IsDir():
		kind = "d"
	case mode&fs.ModeSymlink != 0:
		kind = "l"
	case mode&fs.ModeCharDevice != 0:
		kind = "c"
	case mode&fs.ModeDevice != 0:
		kind = "b"
	case mode&fs.ModeNamedPipe != 0:
		kind = "p"
	case mode&fs.ModeSocket != 0:
		kind = "s"
	}
	text := []byte(kind + mode.Perm().String()[1:])
	for at, bit := range map[int]fs.FileMode{3: fs.ModeSetuid, 6: fs.ModeSetgid, 9: fs.ModeSticky} {
		if mode&bit != 0 {
			set := "sst"[at/3-1]
			if text[at] == '-' {
				set -= 'a' - 'A'
			}
			text[at] = set
		}
	}
	return string(text)
}

func stat(c Call) error {
	var failed error
	for _, name := range c.Args {
		info, err := os.Lstat(name)
		if err != nil {
			c.warn(&failed, err)
			continue
		}
		system, _ := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(c.Out, "  File: %s\n  Size: %d\tMode: %04o/%s\n", name, info.Size(), info.Mode().Perm(), modeText(info.Mode()))
		if system != nil {
			fmt.Fprintf(c.Out, " Inode: %d\tLinks: %d\tOwner: %s:%s\n", system.Ino, system.Nlink, userName(uint64(system.Uid)), groupName(uint64(system.Gid)))
		}
		fmt.Fprintf(c.Out, "Modify: %s\n", info.ModTime().Format(time.RFC3339))
	}
	return failed
}

package applet

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

func diskCommands() []command {
	return []command{
		{"df", "[-hi] [FILE...]: free space of mounted file systems", df},
		{"du", "[-sh] [FILE...]: used space of directories", du},
		{"mount", "[-t TYPE] [-o OPTIONS] [SOURCE TARGET]: list mounts, or mount", mount},
		{"umount", "[-l] TARGET...: unmount", umount},
		{"sync", ": write buffers to disk", func(Call) error { unix.Sync(); return nil }},
		{"dd", "[if=FILE] [of=FILE] [bs=BYTES] [count=N]: copy blocks", dd},
	}
}

// humanSize is a size with one decimal and a binary unit.
func humanSize(bytes uint64) string {
	if bytes < 1024 {
		return fmt.Sprint(bytes)
	}
	value, unit := float64(bytes), -1
	for value >= 1024 && unit < 5 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f%c", value, "KMGTPE"[unit])
}

// mounted is one line of /proc/self/mounts.
type mounted struct{ source, target, kind, options string }

func mounts() ([]mounted, error) {
	body, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var all []mounted
	for line := range strings.Lines(string(body)) {
		if f := strings.Fields(line); len(f) >= 4 {
			all = append(all, mounted{unescape.Replace(f[0]), unescape.Replace(f[1]), f[2], f[3]})
		}
	}
	return all, nil
}

func df(c Call) error {
	flags := c.flags()
	human := flags.BoolP("human-readable", "h", false, "")
	inodes := flags.BoolP("inodes", "i", false, "")
	flags.BoolP("kilobytes", "k", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	all, err := mounts()
	if err != nil {
		return err
	}
	if flags.NArg() > 0 {
		all = nil
		for _, name := range flags.Args() {
			all = append(all, mounted{source: "-", target: name})
		}
	}
	size := func(bytes uint64) string {
		if *human {
			return humanSize(bytes)
		}
		return fmt.Sprint(bytes / 1024)
	}
	table := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Filesystem\tSize\tUsed\tAvailable\tUse%\tMounted on")
	var failed error
	for _, m := range all {
		var st unix.Statfs_t
		if err := unix.Statfs(m.target, &st); err != nil {
			c.warn(&failed, fmt.Errorf("%s: %w", m.target, err))
			continue
		}
		if st.Blocks == 0 && flags.NArg() == 0 {
			continue
		}
		total, free, available := st.Blocks*uint64(st.Bsize), st.Bfree*uint64(st.Bsize), st.Bavail*uint64(st.Bsize)
		show := size
		if *inodes {
			total, free, available = st.Files, st.Ffree, st.Ffree
			show = func(count uint64) string { return fmt.Sprint(count) }
		}
		percent := uint64(0)
		if reachable := total - free + available; reachable > 0 {
			percent = (100*(total-free) + reachable - 1) / reachable
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d%%\t%s\n", m.source, show(total), show(total-free), show(available), percent, m.target)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return failed
}

func du(c Call) error {
	flags := c.flags()
	summary := flags.BoolP("summarize", "s", false, "")
	human := flags.BoolP("human-readable", "h", false, "")
	flags.BoolP("kilobytes", "k", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	roots := flags.Args()
	if len(roots) == 0 {
		roots = []string{"."}
	}
	show := func(bytes uint64, name string) {
		text := fmt.Sprint(bytes / 1024)
		if *human {
			text = humanSize(bytes)
		}
		fmt.Fprintf(c.Out, "%s\t%s\n", text, name)
	}
	var failed error
	for _, root := range roots {
		total, err := usage(root, func(name string, bytes uint64) {
			if !*summary && name != root {
				show(bytes, name)
			}
		})
		if err != nil {
			c.warn(&failed, err)
		}
		show(total, root)
	}
	return failed
}

// usage sums the disk blocks below a path and reports every directory after its
// content.
func usage(name string, report func(name string, bytes uint64)) (uint64, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return 0, err
	}
	var sum uint64
	if system, ok := info.Sys().(*syscall.Stat_t); ok {
		sum = uint64(system.Blocks) * 512
	}
	if !info.IsDir() {
		return sum, nil
	}
	entries, err := os.ReadDir(name)
	for _, entry := range entries {
		below, belowErr := usage(filepath.Join(name, entry.Name()), report)
		sum += below
		if err == nil {
			err = belowErr
		}
	}
	report(name, sum)
	return sum, err
}

func mount(c Call) error {
	flags := c.flags()
	kind := flags.StringP("types", "t", "", "")
	options := flags.StringP("options", "o", "", "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	if flags.NArg() == 2 {
		bits, data := mountOptions(*options)
		return unix.Mount(flags.Arg(0), flags.Arg(1), *kind, bits, data)
	}
	if flags.NArg() != 0 {
		return fmt.Errorf("want a source and a target, or nothing")
	}
	all, err := mounts()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(c.Out)
	for _, m := range all {
		if *kind == "" || *kind == m.kind {
			fmt.Fprintf(out, "%s on %s type %s (%s)\n", m.source, m.target, m.kind, m.options)
		}
	}
	return out.Flush()
}

// mountOptions splits options into the kernel's flags and the file system's own.
func mountOptions(options string) (uintptr, string) {
	known := map[string]uintptr{
		"ro": unix.MS_RDONLY, "bind": unix.MS_BIND, "rbind": unix.MS_BIND | unix.MS_REC, "remount": unix.MS_REMOUNT,
		"noexec": unix.MS_NOEXEC, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "rw": 0, "defaults": 0,
	}
	var bits uintptr
	var rest []string
	for option := range strings.SplitSeq(options, ",") {
		if bit, ok := known[option]; ok {
			bits |= bit
		} else if option != "" {
			rest = append(rest, option)
		}
	}
	return bits, strings.Join(rest, ",")
}

func umount(c Call) error {
	flags := c.flags()
	lazy := flags.BoolP("lazy", "l", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	bits := 0
	if *lazy {
		bits = unix.MNT_DETACH
	}
	for _, target := range flags.Args() {
		if err := unix.Unmount(target, bits); err != nil {
			return &fs.PathError{Op: "umount", Path: target, Err: err}
		}
	}
	return nil
}

func dd(c Call) error {
	in, out := c.In, c.Out
	block, count := int64(512), int64(-1)
	for _, arg := range c.Args {
		key, value, _ := strings.Cut(arg, "=")
		var err error
		switch key {
		case "if":
			var file *os.File
			if file, err = os.Open(value); err == nil {
				defer file.Close()
				in = file
			}
		case "of":
			var file *os.File
			if file, err = os.Create(value); err == nil {
				defer file.Close()
				out = file
			}
		case "bs":
			block, err = sizeOf(value)
		case "count":
			count, err = sizeOf(value)
		default:
			err = fmt.Errorf("unknown operand %q", arg)
		}
		if err != nil {
			return err
		}
	}
	if block < 1 || block > 1<<30 {
		return fmt.Errorf("bs=%d: want 1 to 1G", block)
	}
	buffer := make([]byte, block)
	var total int64
	for blocks := int64(0); blocks != count; blocks++ {
		n, err := io.ReadFull(in, buffer)
		written, writeErr := out.Write(buffer[:n])
		total += int64(written)
		if writeErr != nil {
			return writeErr
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(c.Err, "%d bytes copied\n", total)
	return nil
}

// sizeOf reads a number with an optional binary unit, as in 4k or 1M.
func sizeOf(text string) (int64, error) {
	var value int64
	var unit string
	if n, _ := fmt.Sscanf(text, "%d%s", &value, &unit); n == 0 || value < 0 {
		return 0, fmt.Errorf("%q is not a size", text)
	}
	shift, ok := map[string]uint{"": 0, "c": 0, "k": 10, "K": 10, "M": 20, "MB": 20, "m": 20, "G": 30, "g": 30}[unit]
	if !ok || value > 1<<62>>shift {
		return 0, fmt.Errorf("%q is not a size", text)
	}
	return value << shift, nil
}

package applet

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

func systemCommands() []command {
	return []command{
		{"hostname", "[-i]: print the host name, or its addresses", hostname},
		{"id", "[-unG]: print user and groups", id},
		{"whoami", ": print the user's name", func(c Call) error { fmt.Fprintln(c.Out, userName(uint64(os.Geteuid()))); return nil }},
		{"uname", "[-asnrvm]: print the system's name", uname},
		{"dmesg", ": print the kernel's messages", dmesg},
		{"free", "[-hm]: print memory", free},
		{"uptime", ": print how long the system runs", uptime},
		{"nproc", ": print the number of usable processors", func(c Call) error { fmt.Fprintln(c.Out, runtime.NumCPU()); return nil }},
	}
}

func userName(id uint64) string  { return nameOf("/etc/passwd", id) }
func groupName(id uint64) string { return nameOf("/etc/group", id) }

// nameOf finds a number in the third field of passwd or group.
func nameOf(file string, id uint64) string {
	number := strconv.FormatUint(id, 10)
	body, err := os.ReadFile(file)
	if err != nil {
		return number
	}
	for line := range strings.Lines(string(body)) {
		if f := strings.Split(line, ":"); len(f) > 2 && f[2] == number {
			return f[0]
		}
	}
	return number
}

func hostname(c Call) error {
	flags := c.flags()
	addresses := flags.BoolP("ip-address", "i", false, "")
	flags.BoolP("short", "s", false, "")
	flags.BoolP("fqdn", "f", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	if flags.NArg() == 1 {
		return unix.Sethostname([]byte(flags.Arg(0)))
	}
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	if !*addresses {
		fmt.Fprintln(c.Out, name)
		return nil
	}
	found, err := lookupAddresses(name, "")
	if err != nil {
		return err
	}
	fmt.Fprintln(c.Out, strings.Join(found, " "))
	return nil
}

func id(c Call) error {
	flags := c.flags()
	user := flags.BoolP("user", "u", false, "")
	group := flags.BoolP("group", "g", false, "")
	groups := flags.BoolP("groups", "G", false, "")
	name := flags.BoolP("name", "n", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	supplementary, err := os.Getgroups()
	if err != nil {
		return err
	}
	show := func(id int, file string) string {
		if *name {
			return nameOf(file, uint64(id))
		}
		return strconv.Itoa(id)
	}
	both := func(id int, file string) string { return fmt.Sprintf("%d(%s)", id, nameOf(file, uint64(id))) }
	var listed []string
	for _, id := range supplementary {
		if *groups {
			listed = append(listed, show(id, "/etc/group"))
		} else {
			listed = append(listed, both(id, "/etc/group"))
		}
	}
	switch {
	case *user:
		fmt.Fprintln(c.Out, show(os.Geteuid(), "/etc/passwd"))
	case *group:
		fmt.Fprintln(c.Out, show(os.Getegid(), "/etc/group"))
	case *groups:
		fmt.Fprintln(c.Out, strings.Join(listed, " "))
	default:
		line := "uid=" + both(os.Geteuid(), "/etc/passwd") + " gid=" + both(os.Getegid(), "/etc/group")
		if len(listed) > 0 {
			line += " groups=" + strings.Join(listed, ",")
		}
		fmt.Fprintln(c.Out, line)
	}
	return nil
}

func uname(c Call) error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	flags := c.flags()
	all := flags.BoolP("all", "a", false, "")
	fields := []struct {
		letter string
		value  []byte
		on     *bool
	}{
		{"s", u.Sysname[:], nil}, {"n", u.Nodename[:], nil}, {"r", u.Release[:], nil}, {"v", u.Version[:], nil}, {"m", u.Machine[:], nil},
	}
	for at := range fields {
		fields[at].on = flags.BoolP("option-"+fields[at].letter, fields[at].letter, false, "")
	}
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	var parts []string
	for _, f := range fields {
		if *all || *f.on || flags.NFlag() == 0 && f.letter == "s" {
			parts = append(parts, string(bytes.TrimRight(f.value, "\x00")))
		}
	}
	fmt.Fprintln(c.Out, strings.Join(parts, " "))
	return nil
}

func dmesg(c Call) error {
	size, err := unix.Klogctl(unix.SYSLOG_ACTION_SIZE_BUFFER, nil)
	if err != nil {
		return fmt.Errorf("read the kernel's messages: %w (needs CAP_SYSLOG)", err)
	}
	buffer := make([]byte, size)
	n, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, buffer)
	if err != nil {
		return fmt.Errorf("read the kernel's messages: %w (needs CAP_SYSLOG)", err)
	}
	_, err = c.Out.Write(buffer[:n])
	return err
}

// memoryInfo reads /proc/meminfo, in bytes.
func memoryInfo() (map[string]uint64, error) {
	body, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil, err
	}
	info := map[string]uint64{}
	for line := range strings.Lines(string(body)) {
		key, value, _ := strings.Cut(line, ":")
		var kilobytes uint64
		if _, err := fmt.Sscanf(value, "%d", &kilobytes); err == nil {
			info[key] = kilobytes * 1024
		}
	}
	return info, nil
}

func free(c Call) error {
	flags := c.flags()
	human := flags.BoolP("human", "h", false, "")
	mega := flags.BoolP("mega", "m", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	info, err := memoryInfo()
	if err != nil {
		return err
	}
	show := func(bytes uint64) string {
		switch {
		case *human:
			return humanSize(bytes)
		case *mega:
			return fmt.Sprint(bytes >> 20)
		}
		return fmt.Sprint(bytes >> 10)
	}
	table := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\ttotal\tused\tfree\tavailable\t")
	fmt.Fprintf(table, "Mem:\t%s\t%s\t%s\t%s\t\n", show(info["MemTotal"]), show(info["MemTotal"]-info["MemAvailable"]), show(info["MemFree"]), show(info["MemAvailable"]))
	fmt.Fprintf(table, "Swap:\t%s\t%s\t%s\t\t\n", show(info["SwapTotal"]), show(info["SwapTotal"]-info["SwapFree"]), show(info["SwapFree"]))
	return table.Flush()
}

func uptime(c Call) error {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return err
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	f := strings.Fields(string(load))
	fmt.Fprintf(c.Out, "%s up %v, load average: %s\n", time.Now().Format("15:04:05"), time.Duration(info.Uptime)*time.Second, strings.Join(f[:3], ", "))
	return nil
}

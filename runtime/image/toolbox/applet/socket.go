package applet

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

func socketCommands() []command {
	const listing = "[-tulna]: list sockets"
	return []command{
		{"nc", "[-zvuk] [-w SECONDS] HOST PORT | -l [-p] PORT: connect, scan or listen", nc},
		{"netstat", listing, sockets},
		{"ss", listing, sockets},
	}
}

// plug is one invocation of nc.
type plug struct {
	call                           Call
	scan, verbose, udp, keep, hear bool
	wait                           time.Duration
}

func nc(c Call) error {
	p := plug{call: c}
	flags := c.flags()
	for letter, on := range map[string]*bool{
		"z": &p.scan, "v": &p.verbose, "u": &p.udp, "k": &p.keep, "l": &p.hear, "n": new(bool), "4": new(bool), "N": new(bool),
	} {
		flags.BoolVarP(on, "option-"+letter, letter, false, "")
	}
	seconds := flags.StringP("wait", "w", "infinity", "")
	port := flags.StringP("port", "p", "", "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	var err error
	if p.wait, err = duration(*seconds); err != nil {
		return err
	}
	args := flags.Args()
	if p.hear {
		host := ""
		if *port == "" && len(args) > 0 {
			*port, args = args[len(args)-1], args[:len(args)-1]
		}
		if len(args) > 0 {
			host = args[0]
		}
		return p.listen(net.JoinHostPort(host, *port))
	}
	if len(args) != 2 {
		return errors.New("want a host and a port")
	}
	return p.dial(net.JoinHostPort(args[0], args[1]))
}

func (p plug) network() string {
	if p.udp {
		return "udp"
	}
	return "tcp"
}

func (p plug) dial(address string) error {
	dialer := net.Dialer{Timeout: p.wait}
	conn, err := dialer.Dial(p.network(), address)
	if err != nil {
		if p.verbose || !p.scan {
			return err
		}
		return status(1)
	}
	defer conn.Close()
	if p.verbose {
		fmt.Fprintf(p.call.Err, "%s open\n", address)
	}
	if p.scan {
		return nil
	}
	return p.pipe(conn)
}

// pipe copies both ways until the other side ends. The end of the input is passed
// on; reading the input cannot be interrupted and ends with the process.
func (p plug) pipe(conn net.Conn) error {
	go func() {
		_, _ = io.Copy(conn, p.call.In)
		if half, ok := conn.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}()
	_, err := io.Copy(p.call.Out, conn)
	return err
}

func (p plug) listen(address string) error {
	if p.udp {
		return p.listenPacket(address)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer listener.Close()
	if p.verbose {
		fmt.Fprintf(p.call.Err, "listening on %s\n", listener.Addr())
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		if p.verbose {
			fmt.Fprintf(p.call.Err, "connection from %s\n", conn.RemoteAddr())
		}
		err = errors.Join(p.pipe(conn), conn.Close())
		if !p.keep {
			return err
		}
	}
}

func (p plug) listenPacket(address string) error {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, _, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if _, err := p.call.Out.Write(buffer[:n]); err != nil {
			return err
		}
	}
}

// tcpStates are the kernel's numbers in /proc/net/tcp.
var tcpStates = [...]string{"", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"}

func sockets(c Call) error {
	flags := c.flags()
	options := map[string]*bool{}
	for _, letter := range []string{"t", "u", "l", "n", "a", "p", "e", "4", "6"} {
		options[letter] = flags.BoolP("option-"+letter, letter, false, "")
	}
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	tables := []string{"tcp", "tcp6", "udp", "udp6"}
	if *options["t"] != *options["u"] {
		tables = slices.DeleteFunc(tables, func(name string) bool { return strings.HasPrefix(name, "udp") == *options["t"] })
	}
	table := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Proto\tRecv-Q\tSend-Q\tLocal Address\tForeign Address\tState")
	for _, name := range tables {
		file, err := os.Open("/proc/net/" + name)
		if err != nil {
			continue // no IPv6
		}
		scanner := bufio.NewScanner(file)
		scanner.Scan() // the heading
		for scanner.Scan() {
			row, ok := socketRow(name, scanner.Text())
			listening := row.state == "LISTEN" || strings.HasPrefix(name, "udp")
			if !ok || *options["l"] && !listening || !*options["l"] && !*options["a"] && listening {
				continue
			}
			fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\t%s\n", name, row.received, row.sent, row.local, row.remote, row.state)
		}
		if err := errors.Join(scanner.Err(), file.Close()); err != nil {
			return err
		}
	}
	return table.Flush()
}

type socket struct {
	local, remote, state string
	received, sent       uint64 // bytes queued
}

func socketRow(protocol, line string) (socket, bool) {
	f := strings.Fields(line)
	if len(f) < 5 {
		return socket{}, false
	}
	row := socket{local: endpoint(f[1]), remote: endpoint(f[2])}
	if state, err := strconv.ParseUint(f[3], 16, 8); err == nil && int(state) < len(tcpStates) && strings.HasPrefix(protocol, "tcp") {
		row.state = tcpStates[state]
	}
	sent, received, _ := strings.Cut(f[4], ":")
	row.sent, _ = strconv.ParseUint(sent, 16, 64)
	row.received, _ = strconv.ParseUint(received, 16, 64)
	return row, true
}

// endpoint turns the kernel's little-endian words into an address.
func endpoint(text string) string {
	address, port, _ := strings.Cut(text, ":")
	bytes, err := hex.DecodeString(address)
	number, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(bytes)%4 != 0 {
		return text
	}
	for at := 0; at < len(bytes); at += 4 {
		slices.Reverse(bytes[at : at+4])
	}
	return net.JoinHostPort(net.IP(bytes).String(), strconv.FormatUint(number, 10))
}

package applet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

func nameCommands() []command {
	return []command{{"nslookup", "[-type=A|AAAA|CNAME|MX|NS|PTR|SRV|TXT] NAME [SERVER]: ask the DNS", nslookup}}
}

// lookupTimeout bounds one question with all its retries.
const lookupTimeout = 15 * time.Second

// resolver asks a given server, or those of /etc/resolv.conf.
func resolver(server string) *net.Resolver {
	r := &net.Resolver{PreferGo: true}
	if server != "" {
		if _, _, err := net.SplitHostPort(server); err != nil {
			server = net.JoinHostPort(server, "53")
		}
		r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server)
		}
	}
	return r
}

func lookupAddresses(name, server string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	return resolver(server).LookupHost(ctx, name)
}

// configuredServer is the first name server of /etc/resolv.conf.
func configuredServer() string {
	body, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return "127.0.0.1"
	}
	for line := range strings.Lines(string(body)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
			return f[1]
		}
	}
	return "127.0.0.1"
}

func nslookup(c Call) error {
	kind := ""
	var args []string
	for _, arg := range c.Args {
		name, value, found := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case !strings.HasPrefix(arg, "-"):
			args = append(args, arg)
		case found && (name == "type" || name == "querytype" || name == "q"):
			kind = strings.ToUpper(value)
		}
	}
	if len(args) == 0 || len(args) > 2 {
		return errors.New("want a name, and perhaps a server")
	}
	name, server := args[0], ""
	if len(args) == 2 {
		server = args[1]
	}
	shown := server
	if shown == "" {
		shown = configuredServer()
	}
	fmt.Fprintf(c.Out, "Server:\t\t%s\n\n", shown)

	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	lines, err := question(ctx, resolver(server), kind, name)
	var failure *net.DNSError
	if errors.As(err, &failure) {
		if failure.IsNotFound {
			fmt.Fprintf(c.Out, "** server can't find %s: NXDOMAIN\n", name)
		} else {
			fmt.Fprintf(c.Out, "** %s: %s\n", name, failure.Err)
		}
		return status(1)
	}
	if err != nil {
		return err
	}
	for _, line := range lines {
		fmt.Fprintln(c.Out, line)
	}
	return nil
}

// question asks for one record type and returns the lines to print.
func question(ctx context.Context, r *net.Resolver, kind, name string) ([]string, error) {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	switch kind {
	case "":
		if net.ParseIP(name) != nil {
			return question(ctx, r, "PTR", name)
		}
		return addresses(ctx, r, "ip", name)
	case "A":
		return addresses(ctx, r, "ip4", name)
	case "AAAA":
		return addresses(ctx, r, "ip6", name)
	case "PTR":
		names, err := r.LookupAddr(ctx, name)
		for _, found := range names {
			add("%s\tname = %s", name, found)
		}
		return lines, err
	case "CNAME":
		found, err := r.LookupCNAME(ctx, name)
		add("%s\tcanonical name = %s", name, found)
		return lines, err
	case "TXT":
		records, err := r.LookupTXT(ctx, name)
		for _, record := range records {
			add("%s\ttext = %q", name, record)
		}
		return lines, err
	case "MX":
		records, err := r.LookupMX(ctx, name)
		for _, record := range records {
			add("%s\tmail exchanger = %d %s", name, record.Pref, record.Host)
		}
		return lines, err
	case "NS":
		records, err := r.LookupNS(ctx, name)
		for _, record := range records {
			add("%s\tnameserver = %s", name, record.Host)
		}
		return lines, err
	case "SRV":
		_, records, err := r.LookupSRV(ctx, "", "", name)
		for _, record := range records {
			add("%s\tservice = %d %d %d %s", name, record.Priority, record.Weight, record.Port, record.Target)
		}
		return lines, err
	}
	return nil, fmt.Errorf("no record type %q", kind)
}

// addresses also names the search result: the name that was found with the help
// of /etc/resolv.conf's search list is the canonical one.
func addresses(ctx context.Context, r *net.Resolver, network, name string) ([]string, error) {
	found, err := r.LookupIP(ctx, network, name)
	if err != nil {
		return nil, err
	}
	full := name
	if canonical, err := r.LookupCNAME(ctx, name); err == nil && canonical != "" {
		full = strings.TrimSuffix(canonical, ".")
	}
	var lines []string
	for _, address := range found {
		lines = append(lines, "Name:\t"+full, "Address: "+address.String())
	}
	return lines, nil
}

package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"workbench/proxy/rules"
	"workbench/runtime/namespace"
)

// lister lists the rules of a mode by running the tool for it.
type lister struct {
	mode    string
	program string
	version string
	legacy  bool // iptables that is not the nf_tables variant
}

func newLister(mode string) (lister, error) {
	name := "iptables-save"
	if mode == rules.NFTables {
		name = "nft"
	}
	l := lister{mode: mode, program: name}
	path, err := find(name)
	if err != nil {
		return l, fmt.Errorf("rules cannot be listed: %s is not installed", name)
	}
	l.program = path
	out, err := exec.Command(path, "--version").Output()
	if err == nil {
		l.version = strings.TrimSpace(string(out))
	}
	l.legacy = mode == rules.IPTables && !strings.Contains(l.version, "nf_tables")
	return l, nil
}

// find finds a program also where users' PATHs often do not lead.
func find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("find %s: not installed", name)
}

// listTimeout bounds a listing; 7,500 rules take 0.2 s.
const listTimeout = 10 * time.Second

// text is what the tool prints, run in a network namespace.
func (l lister) text(ctx context.Context, ns *namespace.Net) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	if l.mode == rules.NFTables {
		return run(ctx, ns, l.program, "-a", "list", "table", "ip", "kube-proxy")
	}
	// One call for all tables: it reads all of them whichever it prints.
	return run(ctx, ns, l.program, "-c")
}

func (l lister) parse(text []byte) (*rules.Ruleset, error) {
	if l.mode == rules.NFTables {
		return rules.ParseNFTables(text)
	}
	return rules.ParseIPTables(text)
}

// run runs a program in a network namespace and returns what it prints.
func run(ctx context.Context, ns *namespace.Net, program string, args ...string) ([]byte, error) {
	var out, problem bytes.Buffer
	err := ns.Do(func() error {
		// A child is in the namespace of the thread that starts it.
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Stdout, cmd.Stderr = &out, &problem
		return cmd.Run()
	})
	var exit *exec.ExitError
	if errors.As(err, &exit) && strings.Contains(problem.String(), "No such file or directory") {
		return nil, nil // there is no such table yet
	}
	if err != nil {
		return nil, fmt.Errorf("run %s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(problem.String()))
	}
	return out.Bytes(), nil
}

// List lists the rules of a node now, for a user.
func List(ctx context.Context, mode string, ns *namespace.Net) (*rules.Ruleset, error) {
	l, err := newLister(mode)
	if err != nil {
		return nil, err
	}
	text, err := l.text(ctx, ns)
	if err != nil {
		return nil, err
	}
	return l.parse(text)
}

// ListAll lists the rules of all tables of a node, not only kube-proxy's.
func ListAll(ctx context.Context, mode string, ns *namespace.Net) ([]rules.Rule, error) {
	l, err := newLister(mode)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	if mode == rules.NFTables {
		text, err := run(ctx, ns, l.program, "-a", "list", "ruleset")
		if err != nil {
			return nil, err
		}
		return rules.ParseRuleset(text)
	}
	text, err := run(ctx, ns, l.program)
	if err != nil {
		return nil, err
	}
	set, err := rules.ParseIPTables(text)
	if err != nil {
		return nil, err
	}
	return set.Rules, nil
}

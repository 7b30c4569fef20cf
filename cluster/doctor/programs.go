package doctor

import (
	"context"
	"strings"
)

// packageManager installs programs. The zero value stands for one that is not
// known.
type packageManager struct {
	name     string
	refresh  []string // run before an installation; may be nil
	command  []string // what the packages' names are put after
	packages map[string]string
}

// packageManagers are tried in order. Packages that are named as the program
// are left out.
var packageManagers = []packageManager{
	{name: "apt-get", refresh: []string{"apt-get", "update"}, command: []string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends"}},
	{name: "dnf", command: []string{"dnf", "install", "-y"}, packages: map[string]string{"iptables": "iptables-nft"}},
	{name: "apk", command: []string{"apk", "add"}},
	{name: "pacman", command: []string{"pacman", "-Sy", "--noconfirm", "--needed"}},
	{name: "zypper", command: []string{"zypper", "--non-interactive", "install"}},
}

func (d *doctor) findPackageManager() packageManager {
	for _, m := range packageManagers {
		if _, err := d.commands.LookPath(m.name); err == nil {
			return m
		}
	}
	return packageManager{}
}

// install gives the command lines that install a program.
func (m packageManager) install(program string) [][]string {
	if m.name == "" {
		return nil
	}
	name := program
	if other, ok := m.packages[program]; ok {
		name = other
	}
	var lines [][]string
	if m.refresh != nil {
		lines = append(lines, m.refresh)
	}
	return append(lines, append(m.command[:len(m.command):len(m.command)], name))
}

// missing fails the check with installing the program as its remedy.
func (d *doctor) missing(c Check, program, found string) Check {
	c.Status, c.Found = Fail, found
	lines := d.manager.install(program)
	if lines == nil {
		c.Fix = "install " + program + " with the package manager of this system"
		return c
	}
	c.Fix, c.repair = d.command(lines...), d.runAll(lines...)
	return c
}

func (d *doctor) checkPrograms(context.Context) []Check {
	c := Check{Name: "OCI runtime", Status: OK, Why: "containerd starts containers with runc or crun"}
	var found []string
	for _, program := range []string{"runc", "crun"} {
		if path, err := d.commands.LookPath(program); err == nil {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		return []Check{d.missing(c, "runc", "neither runc nor crun is installed")}
	}
	c.Found = strings.Join(found, ", ")
	return []Check{c}
}

package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"workbench/cluster/layout"
)

func (d *doctor) checkNetwork(ctx context.Context) []Check {
	return append([]Check{d.checkLinks(ctx), d.checkBridgeFilter(), d.checkRules(ctx), d.checkConntrack()}, append(d.checkNFT(ctx), d.checkPorts()...)...)
}

func (d *doctor) checkLinks(ctx context.Context) Check {
	c := Check{Name: "bridge and veth", Status: OK, Found: "work", Why: "they are the network between nodes and pods"}
	if !d.isRoot() {
		c.Status, c.Found, c.Fix = Warn, "not tried, which needs root", "sudo workbench doctor"
		return c
	}
	if err := d.prober.Links(ctx); err != nil {
		name := "bridge"
		if strings.Contains(err.Error(), "veth") {
			name = "veth"
		}
		return d.module(c, name, err.Error())
	}
	return c
}

// checkPorts looks whether the API ports of stopped labs are still free.
func (d *doctor) checkPorts() []Check {
	state := filepath.Join(d.root, d.options.StateDir)
	names, err := layout.List(state)
	if err != nil {
		return nil // checkStateDir says why
	}
	var checks []Check
	for _, name := range names {
		lab := layout.Lab{State: state, Name: name}
		saved, err := lab.Load()
		if err != nil || saved.APIPort == 0 || runs(lab) {
			continue
		}
		c := Check{
			Name: "API port of " + name, Status: OK, Found: fmt.Sprintf("127.0.0.1:%d is free", saved.APIPort),
			Why: "kubeconfigs of the lab point to it",
		}
		if !d.kernel.PortFree(saved.APIPort) {
			c.Status, c.Found = Warn, fmt.Sprintf("127.0.0.1:%d is used by another program", saved.APIPort)
			c.Fix = d.command([]string{"ss", "-ltnp", fmt.Sprintf("'sport = :%d'", saved.APIPort)}) + "  # shows which; end it"
		}
		checks = append(checks, c)
	}
	return checks
}

// runs tells whether a supervisor holds the lab's lock.
func runs(lab layout.Lab) bool {
	f, err := os.Open(lab.Lock())
	if err != nil {
		return false
	}
	defer f.Close()
	// A shared lock, given back at once: a supervisor that starts in this very
	// moment would at worst say that the lab is in use.
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

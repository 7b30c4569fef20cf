package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

type namespaceProber struct{}

// inNew runs fn on a thread with new namespaces. The thread is never unlocked,
// so that it ends with the goroutine, and the namespaces with it. It is not the
// process's first thread, which never ends and which /proc/self stands for.
func inNew(flags int, fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// While this goroutine holds the first thread, another one cannot get it.
			done <- inNew(flags, fn)
			runtime.UnlockOSThread()
			return
		}
		if err := unix.Unshare(flags); err != nil {
			done <- fmt.Errorf("unshare: %w", err)
			return
		}
		done <- fn()
	}()
	return <-done
}

func (namespaceProber) Links(context.Context) error {
	return inNew(unix.CLONE_NEWNET, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "probe"}}
		if err := h.LinkAdd(bridge); err != nil {
			return fmt.Errorf("add bridge: %w", err)
		}
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "probe0"}, PeerName: "probe1"}
		if err := h.LinkAdd(veth); err != nil {
			return fmt.Errorf("add veth pair: %w", err)
		}
		if err := h.LinkSetMaster(veth, bridge); err != nil {
			return fmt.Errorf("put veth into bridge: %w", err)
		}
		return nil
	})
}

// probeRules are of the kinds that kube-proxy writes (pkg/proxy/iptables).
var probeRules = [][]string{
	{"-t", "nat", "-N", "PROBE"},
	{"-t", "nat", "-A", "PROBE", "-m", "comment", "--comment", "probe", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "MARK", "--or-mark", "0x4000"},
	{"-t", "nat", "-A", "PROBE", "-m", "statistic", "--mode", "random", "--probability", "0.5", "-p", "tcp", "-j", "DNAT", "--to-destination", "192.0.2.1:80"},
	{"-t", "nat", "-A", "POSTROUTING", "-m", "mark", "--mark", "0x4000/0x4000", "-j", "MASQUERADE", "--random-fully"},
	{"-t", "filter", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP"},
	{"-t", "filter", "-A", "INPUT", "-j", "REJECT"},
}

func (namespaceProber) Rules(ctx context.Context, iptables string) error {
	return inNew(unix.CLONE_NEWNET, func() error {
		for _, rule := range probeRules {
			// A child of this thread is in its namespace. The legacy variant would
			// make its lock file in the host's /run.
			cmd := exec.CommandContext(ctx, iptables, rule...)
			cmd.Env = append(os.Environ(), "XTABLES_LOCKFILE=/dev/null")
			if out, err := cmd.CombinedOutput(); err != nil {
				line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
				return fmt.Errorf("iptables %s: %w: %s", strings.Join(rule, " "), err, line)
			}
		}
		return nil
	})
}

// probeTables are of the kinds that kube-proxy writes (pkg/proxy/nftables).
const probeTables = `add table ip probe
add map ip probe ips { type ipv4_addr . inet_proto . inet_service : verdict ; }
add chain ip probe nat { type nat hook prerouting priority -100 ; }
add chain ip probe masquerading { type nat hook postrouting priority 100 ; }
add chain ip probe refuse { type filter hook input priority 0 ; }
add rule ip probe nat ip daddr . meta l4proto . th dport vmap @ips
add rule ip probe nat meta l4proto tcp dnat to numgen random mod 2 map { 0 : 192.0.2.1 . 80 , 1 : 192.0.2.2 . 80 }
add rule ip probe masquerading masquerade fully-random
add rule ip probe refuse ct state new reject
`

func (namespaceProber) Tables(ctx context.Context, nft string) error {
	return inNew(unix.CLONE_NEWNET, func() error {
		cmd := exec.CommandContext(ctx, nft, "-f", "-")
		cmd.Stdin = strings.NewReader(probeTables)
		if out, err := cmd.CombinedOutput(); err != nil {
			line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
			return fmt.Errorf("nft: %w: %s", err, line)
		}
		return nil
	})
}

func (namespaceProber) Overlay(dir string) error {
	base, err := os.MkdirTemp(dir, ".overlay-probe-")
	if err != nil {
		return err
	}
	layers := map[string]string{}
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		layers[name] = filepath.Join(base, name)
		if err = errors.Join(err, os.Mkdir(layers[name], 0o700)); err != nil {
			return errors.Join(err, os.RemoveAll(base))
		}
	}
	err = inNew(unix.CLONE_NEWNS, func() error {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("make mounts private: %w", err)
		}
		options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", layers["lower"], layers["upper"], layers["work"])
		if err := unix.Mount("overlay", layers["merged"], "overlay", 0, options); err != nil {
			return fmt.Errorf("mount overlay: %w", err)
		}
		// Containers' files are made in it, devices and attributes included.
		file := filepath.Join(layers["merged"], "file")
		return errors.Join(os.WriteFile(file, nil, 0o600), unix.Unmount(layers["merged"], unix.MNT_DETACH))
	})
	return errors.Join(err, os.RemoveAll(base))
}

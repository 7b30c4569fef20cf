package bare

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"workbench/runtime/node"
)

// NodeMain is the main function of a bare node. It must be on the main thread,
// from which all programs are forked: only that is in the node's cgroup
// namespace.
func NodeMain() error {
	var n NodeConfig
	if err := json.NewDecoder(os.Stdin).Decode(&n); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if err := n.become(); err != nil {
		return fmt.Errorf("become %s: %w", n.Name, err)
	}
	p := programs{running: map[int]node.Component{}, ended: make(chan int), again: make(chan node.Component), forked: make(chan struct{}, 1)}
	go p.reap()
	var late []node.Component
	for _, c := range n.Programs {
		if n.InOrder && needsAPI(c.Name) {
			late = append(late, c)
		} else if err := p.start(c); err != nil {
			return err
		}
	}
	if len(late) > 0 {
		go func() {
			awaitAPI()
			for _, c := range late {
				p.again <- c
			}
		}()
	}
	for {
		select {
		case pid := <-p.ended:
			c, ok := p.running[pid]
			if !ok {
				continue // an orphan
			}
			delete(p.running, pid)
			time.AfterFunc(time.Second, func() { p.again <- c })
		case c := <-p.again:
			if err := p.start(c); err != nil {
				return err
			}
		}
	}
}

func needsAPI(name string) bool {
	switch name {
	case "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy":
		return true
	}
	return false
}

// awaitAPI waits until the API is ready at this node's own address.
func awaitAPI() {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // asks for health
	for range time.Tick(50 * time.Millisecond) {
		resp, err := client.Get("https://127.0.0.1:6443/readyz")
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
}

func (n NodeConfig) become() error {
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	if err := unix.Sethostname([]byte(n.Name)); err != nil {
		return err
	}
	if err := n.Root.Enter(); err != nil {
		return err
	}
	for file, value := range n.Sysctls {
		if err := os.WriteFile(filepath.Join("/proc/sys", file), []byte(value), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if !n.V2 {
		return nil
	}
	const leaf = "/sys/fs/cgroup/init"
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(leaf+"/cgroup.procs", []byte("0"), 0); err != nil {
		return err
	}
	for _, controller := range []string{"cpu", "cpuset", "memory", "pids", "io", "hugetlb"} {
		_ = os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+"+controller), 0) // some are refused on some machines
	}
	return nil
}

// programs are what runs on the node. Only the main goroutine touches running.
type programs struct {
	running map[int]node.Component
	ended   chan int
	again   chan node.Component
	forked  chan struct{}
}

func (p *programs) start(c node.Component) error {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	defer log.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	proc, err := os.StartProcess(c.Path, append([]string{c.Path}, c.Args...), &os.ProcAttr{
		Dir: "/", Env: append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}, c.Env...),
		Files: []*os.File{null, log, log, null}, Sys: &syscall.SysProcAttr{Setsid: true}, // the last one is where etcd's tap writes
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", c.Name, err)
	}
	p.running[proc.Pid] = c
	_ = proc.Release()
	select {
	case p.forked <- struct{}{}:
	default:
	}
	return nil
}

func (p *programs) reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		switch {
		case errors.Is(err, syscall.ECHILD):
			<-p.forked
		case err == nil:
			p.ended <- pid
		}
	}
}

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// EaterRole is the agent's name as a process that eats memory.
const EaterRole = "workbench-memory-eater"

// What the eater takes, and what it is left, in bytes. A preference weighs as much
// as the limit is wide, and has to weigh more than the eater itself, its program
// included.
const (
	mouthful = 1 << 20
	most     = 256 << 20
	headroom = 64 << 20
)

// Eat is the main function of the eater: it waits for its standard input, then
// takes more and more memory until it is killed. The memory is that of a file
// without a name: charged to the group, and given back when the eater ends.
func Eat() error {
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("wait to be let in: %w", err)
	}
	fd, err := unix.MemfdCreate("eaten", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("take memory: %w", err)
	}
	eaten := os.NewFile(uintptr(fd), "eaten")
	defer eaten.Close()
	for range most / mouthful {
		if _, err := eaten.Write(make([]byte, mouthful)); err != nil && !errors.Is(err, unix.ENOMEM) {
			return fmt.Errorf("take memory: %w", err)
		}
	}
	_, err = os.Stdin.Read(make([]byte, 1)) // until it is killed
	return err
}

// Exhaust lets a group below the node's run out of memory, until one of its
// processes ends or ctx does. On v2 a lower limit is enough: the kernel ends what
// keeps the group above it. On v1 the kernel refuses a limit below what is used,
// so the limit is set to that and a process from outside, the agent as eater, is
// let in to take more. The OOM killer is told to prefer the container's first
// process, as which it is the container that ends, and to spare the eater, where
// that is permitted.
func (g *Group) Exhaust(ctx context.Context, sub, agent string) error {
	root, v2 := g.memoryDir()
	dir := filepath.Join(root, sub)
	file, limit := "memory.limit_in_bytes", size(readWords(dir, "memory.usage_in_bytes"))+headroom
	if v2 {
		file, limit = "memory.max", 0
	}
	old := readWords(dir, file)
	if len(old) != 1 {
		return fmt.Errorf("exhaust cgroup %s: it has no %s", sub, file)
	}
	if own := size(old); own > 0 && !v2 { // 0: unlimited
		limit = min(limit, own)
	}
	victims := ownProcesses(dir)
	if err := write(filepath.Join(dir, file), strconv.FormatInt(limit, 10)); err != nil {
		return fmt.Errorf("exhaust cgroup %s: %w", sub, err)
	}
	// A container that is started again has a group of its own.
	defer func() { _ = write(filepath.Join(dir, file), old[0]) }()
	if v2 {
		return nil
	}
	if len(victims) == 0 {
		return fmt.Errorf("exhaust cgroup %s: it has no process", sub)
	}
	preferred := first(victims)
	adjust, err := adjustment(preferred)
	if err != nil {
		return fmt.Errorf("exhaust cgroup %s: %w", sub, err)
	}
	if err := setAdjustment(preferred, mostLikely); err != nil {
		return fmt.Errorf("exhaust cgroup %s: %w", sub, err)
	}
	defer func() { _ = setAdjustment(preferred, adjust) }() // it is dead, as a rule
	return g.feed(ctx, sub, agent, victims)
}

// first is the process that is number 1 of its PID namespace; the oldest where
// none is.
func first(pids []int) int {
	for _, pid := range pids {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		_, line, _ := strings.Cut(string(raw), "\nNSpid:")
		line, _, _ = strings.Cut(line, "\n")
		if ids := strings.Fields(line); len(ids) > 0 && ids[len(ids)-1] == "1" {
			return pid
		}
	}
	return slices.Min(pids)
}

// Bounds of a process's oom_score_adj (proc_pid_oom_score_adj(5)).
const mostLikely, never = 1000, -1000

func adjustment(pid int) (int, error) {
	words := readWords(fmt.Sprintf("/proc/%d", pid), "oom_score_adj")
	if len(words) != 1 {
		return 0, fmt.Errorf("process %d is gone", pid)
	}
	return strconv.Atoi(words[0])
}

func setAdjustment(pid, value int) error {
	return write(fmt.Sprintf("/proc/%d/oom_score_adj", pid), strconv.Itoa(value))
}

// feed runs the eater in a group until one of the victims is gone. The eater may be
// killed as well, before or after a victim that was told to end has ended.
func (g *Group) feed(ctx context.Context, sub, agent string, victims []int) error {
	runtime.LockOSThread() // PDEATHSIG goes by the thread that forked
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	eater := exec.CommandContext(ctx, agent)
	eater.Args = []string{EaterRole}
	eater.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	door, err := eater.StdinPipe()
	if err != nil {
		return fmt.Errorf("start the memory eater: %w", err)
	}
	if err := eater.Start(); err != nil {
		return fmt.Errorf("start the memory eater: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = eater.Wait()
	}()
	defer func() {
		cancel()
		<-ended
	}()
	if err := exempt(eater.Process.Pid); err != nil {
		return err
	}
	root, _ := g.memoryDir()
	if err := write(filepath.Join(root, sub, "cgroup.procs"), strconv.Itoa(eater.Process.Pid)); err != nil {
		return fmt.Errorf("let the memory eater in: %w", err)
	}
	before := g.OOMKills(sub)
	if _, err := door.Write([]byte{1}); err != nil {
		return fmt.Errorf("let the memory eater eat: %w", err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for alive := ended; ; {
		select {
		case <-alive:
			alive = nil
			if kills := g.OOMKills(sub) - before; kills < 2 && !slices.ContainsFunc(victims, gone) {
				return fmt.Errorf("the memory eater ended in place of the container (%d kills for want of memory)", kills)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		if slices.ContainsFunc(victims, gone) {
			return nil
		}
	}
}

// exempt keeps a process from the OOM killer (proc_pid_oom_score_adj(5)), where we
// may: without CAP_SYS_RESOURCE it stays as likely a victim as any.
func exempt(pid int) error {
	if err := setAdjustment(pid, never); err != nil && !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("exempt the memory eater from the OOM killer: %w", err)
	}
	return nil
}

// gone says that a process has ended.
func gone(pid int) bool { return syscall.Kill(pid, 0) != nil || zombie(pid) }

// zombie says that a process has ended and is not reaped yet.
func zombie(pid int) bool {
	words := readWords(fmt.Sprintf("/proc/%d", pid), "stat")
	for i, w := range words {
		if i > 0 && len(w) == 1 && words[i-1][len(words[i-1])-1] == ')' {
			return w == "Z" || w == "X"
		}
	}
	return false
}

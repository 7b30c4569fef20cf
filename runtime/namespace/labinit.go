package namespace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"workbench/runtime/priority"
)

// LabInit is the main function of lab init, PID 1 of the lab. It starts node
// inits on request and ends, taking everything with it, when the supervisor
// closes the control socket or dies.
func LabInit() error {
	control, err := Control()
	if err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	if err := fabricSysctls(); err != nil {
		return err
	}
	if err := priority.Set(priority.Lab); err != nil { // the supervisor's is another
		return err
	}
	buf, oob := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4)+unix.CmsgSpace(unix.SizeofUcred))
	for {
		n, oobn, _, _, err := control.ReadMsgUnix(buf, oob)
		if err != nil || n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				return nil // the supervisor is gone
			}
			return fmt.Errorf("hear from supervisor: %w", err)
		}
		var req spawn
		reply := spawned{}
		if err := json.Unmarshal(buf[:n], &req); err != nil {
			reply.Error = err.Error()
		} else if err := startNode(req, oob[:oobn]); err != nil {
			reply.Error = err.Error()
		}
		reply.Name = req.Name
		if err := send(control, reply); err != nil {
			return err
		}
	}
}

func send(control *net.UnixConn, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := control.Write(raw); err != nil {
		return fmt.Errorf("answer supervisor: %w", err)
	}
	return nil
}

// fabricSysctls sets the lab's own network namespace: bridged frames are not
// the business of any packet filter here, and it answers "unreachable" to what
// nodes send beyond the lab instead of swallowing it.
func fabricSysctls() error {
	for file, value := range map[string]string{
		"/proc/sys/net/bridge/bridge-nf-call-iptables":  "0",
		"/proc/sys/net/bridge/bridge-nf-call-ip6tables": "0",
		"/proc/sys/net/ipv4/ip_forward":                 "1",
	} {
		err := os.WriteFile(file, []byte(value), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("set %s: %w", file, err)
		}
	}
	return nil
}

func startNode(req spawn, oob []byte) error {
	control, err := receivedFile(oob)
	if err != nil {
		return err
	}
	defer control.Close()
	log, err := os.OpenFile(req.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{NodeInitRole}, Env: os.Environ(), Dir: "/",
		Stdout: log, Stderr: log, ExtraFiles: []*os.File{control},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
			Setsid:     true,
		},
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // reaps; the supervisor learns of the end from the socket
	return nil
}

// receivedFile is the descriptor that came with a message.
func receivedFile(oob []byte) (*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("read control message: %w", err)
	}
	for _, m := range messages {
		if m.Header.Type != unix.SCM_RIGHTS {
			continue
		}
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, fmt.Errorf("read descriptor: %w", err)
		}
		if len(fds) == 1 {
			unix.CloseOnExec(fds[0])
			return os.NewFile(uintptr(fds[0]), "control"), nil
		}
	}
	return nil, errors.New("read control message: no descriptor in it")
}

// Sender is the PID, in this PID namespace, of who sent a message; 0 when the
// message does not say.
func Sender(oob []byte) int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for i := range messages {
		if cred, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			return int(cred.Pid)
		}
	}
	return 0
}

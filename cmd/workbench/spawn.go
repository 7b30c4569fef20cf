package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"workbench/cluster/layout"
	"workbench/cluster/spec"
	"workbench/cluster/supervisor"
	"workbench/runtime/priority"
)

// readyFD is where a supervisor says that its API answers.
const readyFD = 3

// spawnSupervisor starts the lab's supervisor in a session of its own, so that
// it outlives this command, and waits until its API answers.
func spawnSupervisor(place layout.Lab) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	log, err := os.OpenFile(place.Log(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	defer log.Close()
	ready, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	defer ready.Close()
	cmd := exec.Command(self, "supervisor", "--state-dir", place.State, "--name", place.Name)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = "/", log, log, []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = errors.Join(cmd.Start(), theirs.Close())
	if err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	if n, _ := ready.Read(make([]byte, 1)); n == 1 {
		return cmd.Process.Release()
	}
	err = cmd.Wait()
	said, _ := os.ReadFile(place.Log())
	if strings.Contains(string(said), supervisor.ErrLocked.Error()) {
		return nil // another `up` was quicker: attach to its lab
	}
	return fmt.Errorf("start the supervisor: %w: %s", err, strings.TrimSpace(string(said)))
}

func supervisorCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "supervisor", Short: "Run a lab; started by up", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			place, err := o.place()
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(os.Stderr, nil))
			if err := priority.Set(priority.Observer); err != nil {
				log.Warn("observe as all others run", "cause", err)
			}
			ready := os.NewFile(readyFD, "ready")
			return supervisor.Run(context.Background(), supervisor.Config{
				Place: place, Versions: versions(), Log: log,
				Ready: func() {
					_, _ = ready.Write([]byte{1}) // nobody waits when started by hand
					_ = ready.Close()
				},
			})
		},
	}
}

// sameShape compares two labs as they are saved, but where their images come from,
// which may change between two boots.
func sameShape(a, b spec.Lab) bool {
	plainA, errA := plainLab(a)
	plainB, errB := plainLab(b)
	return errA == nil && errB == nil && reflect.DeepEqual(plainA, plainB)
}

func plainLab(l spec.Lab) (any, error) {
	l.Spec.Images = spec.Images{}
	raw, err := json.Marshal(l.Spec)
	if err != nil {
		return nil, err
	}
	var v any
	err = json.Unmarshal(raw, &v)
	return v, err
}

func sameRegistries(a, b spec.Lab) bool {
	return maps.Equal(a.Spec.Images.Registries, b.Spec.Images.Registries)
}

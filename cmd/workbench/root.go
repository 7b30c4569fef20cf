package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"workbench/cluster/api"
	"workbench/cluster/layout"
	"workbench/cluster/state"
	"workbench/runtime/programs"
)

// options are the global flags.
type options struct {
	state string
	name  string
}

// place is where the chosen lab is on disk.
func (o options) place() (layout.Lab, error) {
	dir := o.state
	if dir == "" {
		var err error
		if dir, err = layout.StateDir(); err != nil {
			return layout.Lab{}, err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return layout.Lab{}, fmt.Errorf("find the state directory: %w", err)
	}
	return layout.Lab{State: dir, Name: o.name}, nil
}

// client is a client of the chosen lab's supervisor.
func (o options) client() (*api.Client, layout.Lab, error) {
	place, err := o.place()
	if err != nil {
		return nil, place, err
	}
	return api.NewClient(place.Socket()), place, nil
}

// untilInterrupt ends with an interrupt, a request to end, or with the terminal, unless
// nohup had the loss of that ignored.
func untilInterrupt(ctx context.Context) (context.Context, context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signal.NotifyContext(ctx, signals...)
}

// completing is the lab's world for completion on the command line: an empty one
// where it cannot be read.
func (o options) completing(ctx context.Context) *state.World {
	client, _, err := o.client()
	if err != nil {
		return state.New()
	}
	world, err := client.World(ctx)
	if err != nil {
		return state.New()
	}
	return world
}

// execute runs the command line.
func execute(args []string) error {
	o := &options{}
	root := &cobra.Command{
		Use:   "workbench",
		Short: "A real Kubernetes cluster in your terminal, to see inside and break on purpose",
		Long: `Workbench boots a real multi-node Kubernetes cluster on this machine, without
Docker, and shows its insides live while you kill, freeze and restart parts of it.

  workbench up          boot the lab and open the app
  workbench kubectl …   talk to it
  workbench down        stop it; the next up brings it back`,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	// Libraries of Kubernetes register flags of their own for every program
	// that links them; cobra would show those everywhere.
	pflag.CommandLine = pflag.NewFlagSet("workbench", pflag.ContinueOnError)
	flag.CommandLine = flag.NewFlagSet("workbench", flag.ContinueOnError)
	root.PersistentFlags().StringVar(&o.state, "state-dir", "", "directory that holds all labs (default: the XDG state directory)")
	root.PersistentFlags().StringVar(&o.name, "name", "lab", "name of the lab")
	root.AddCommand(
		upCommand(o), downCommand(o), attachCommand(o), statusCommand(o), listCommand(o), eventsCommand(o), recordCommand(o), replayCommand(), logsCommand(o),
		nodeCommand(o), componentCommand(o), etcdCommand(o), sceneCommand(o), imageCommand(o), bundleCommand(o), faultCommand(o), healCommand(o), scenarioCommand(o), campaignCommand(o), reportCommand(o), proxyCommand(o), traceCommand(o), openCommand(o), pulseCommand(o), kubeconfigCommand(o), planCommand(o), doctorCommand(o), demoCommand(o),
		schemaCommand(), versionCommand(), supervisorCommand(o), passCommand(o, programs.Kubectl), passCommand(o, programs.Etcdctl),
	)
	root.SetArgs(args)
	return root.ExecuteContext(context.Background())
}

// exitCode is the code of a child process that already said what is wrong.
func exitCode(err error) (int, bool) {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), true
	}
	var said errExit
	if errors.As(err, &said) {
		return int(said), true
	}
	return 0, false
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/spf13/cobra"

	"workbench/cluster/doctor"
	"workbench/cluster/layout"
	"workbench/cluster/spec"
	"workbench/themes"
)

type upFlags struct {
	file          string
	controlPlanes int
	workers       int
	profile       string
	apiPort       int
	detach        bool
	plain         bool
	theme         string
}

func (f *upFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "file", "f", "", "lab file (YAML; - for standard input)")
	flags.IntVar(&f.controlPlanes, "control-planes", 0, "number of control planes: 1, 3 or 5 (default 3)")
	flags.IntVar(&f.workers, "workers", 0, "number of workers, 0 to 30 (default 3)")
	flags.StringVar(&f.profile, "failure-detection", "", "teaching or kubernetes (default teaching)")
	flags.IntVar(&f.apiPort, "api-port", 0, "port of the API on 127.0.0.1 (default: a free one, kept)")
}

func upCommand(o *options) *cobra.Command {
	f := &upFlags{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Boot the lab, or attach to it when it runs, and open the app",
		Long: `Boot the lab and open the app. A lab that was booted before comes back with its
objects and pods; its shape is then the saved one. When the lab runs already,
this attaches to it. Without a terminal the progress is printed as lines.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := themes.Find(f.theme); err != nil {
				return err
			}
			if err := nameFromFile(cmd, o, f); err != nil {
				return err
			}
			return up(cmd, o, f)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVarP(&f.detach, "detach", "d", false, "boot, wait until the lab is ready, and leave it running")
	cmd.Flags().BoolVar(&f.plain, "plain", false, "print lines in place of the app")
	cmd.Flags().StringVar(&f.theme, "theme", "", "colours of the app; see the palette in the app for all")
	return cmd
}

func up(cmd *cobra.Command, o *options, f *upFlags) error {
	client, place, err := o.client()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	if _, err := client.World(ctx); err == nil {
		saved, wanted, err := existing(cmd, place, f)
		if err != nil {
			return err
		}
		if !sameRegistries(saved.Lab, wanted) {
			fmt.Fprintf(cmd.ErrOrStderr(), "note: the registries of %s hold from the next boot on: workbench down, and up again\n", f.file)
		}
		return attach(ctx, client, place, f, false)
	}
	// From before the supervisor runs: an interrupt must not leave it alone.
	ctx, stop := untilInterrupt(ctx)
	defer stop()
	if err := bootLab(cmd, place, f); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return interrupted(ctx, client, place)
	}
	return attach(ctx, client, place, f, true)
}

// bootLab starts the supervisor of a lab that does not run, after checking what
// it asks of this machine. The boot itself is the supervisor's: see awaitBoot.
func bootLab(cmd *cobra.Command, place layout.Lab, f *upFlags) error {
	if err := requireRoot(); err != nil {
		return err
	}
	if err := prepare(cmd, place, f); err != nil {
		return err
	}
	saved, err := place.Load()
	if err != nil {
		return err
	}
	if err := preflight(cmd.Context(), place, saved.Lab); err != nil {
		return err
	}
	return spawnSupervisor(place)
}

// nameFromFile takes the lab's name from its file unless --name says another.
func nameFromFile(cmd *cobra.Command, o *options, f *upFlags) error {
	if f.file == "" || f.file == "-" || cmd.Flags().Changed("name") {
		return nil
	}
	lab, err := loadLab(cmd, f.file)
	if err == nil && lab.Metadata.Name != "" {
		o.name = lab.Metadata.Name
	}
	return err
}

// existing is a lab that exists, as it is and as it is wanted. What would change its
// shape is refused.
func existing(cmd *cobra.Command, place layout.Lab, f *upFlags) (saved layout.Saved, wanted spec.Lab, err error) {
	if saved, err = place.Load(); err != nil {
		return saved, wanted, err
	}
	if wanted, err = wantedLab(cmd, place, f, saved.Lab); err != nil || sameShape(saved.Lab, wanted) {
		return saved, wanted, err
	}
	return saved, wanted, fmt.Errorf("lab %s exists with another shape (%d control planes, %d workers, failure detection %s); use it as it is with: workbench up --name %s; or boot a second lab with another --name; workbench down --purge deletes this one with its data",
		place.Name, saved.Lab.Spec.ControlPlanes.Count, saved.Lab.Spec.Workers.Count, saved.Lab.Spec.FailureDetection, place.Name)
}

// prepare writes the lab's file, from the flags for a new lab. A saved lab
// keeps its shape; flags that would change it are refused. Its registries are those
// of the file, if one is given.
func prepare(cmd *cobra.Command, place layout.Lab, f *upFlags) error {
	saved, wanted, err := existing(cmd, place, f)
	switch {
	case err == nil:
		changed := !sameRegistries(saved.Lab, wanted)
		saved.Lab.Spec.Images = wanted.Spec.Images
		if f.apiPort != 0 && f.apiPort != saved.APIPort {
			saved.APIPort, changed = f.apiPort, true
		}
		if changed {
			return place.Save(saved)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	base, note, err := newLab(cmd.Context())
	if err != nil {
		return err
	}
	lab, err := wantedLab(cmd, place, f, base)
	if err != nil {
		return err
	}
	if note != "" && !lab.NamesProxyMode() {
		fmt.Fprintln(cmd.ErrOrStderr(), note)
	}
	port := f.apiPort
	if port == 0 {
		if port, err = freePort(); err != nil {
			return err
		}
	}
	return place.Save(layout.Saved{Lab: lab, APIPort: port})
}

// newLab is the default lab, with a proxy mode that this machine can do; note
// says why it is not the default one.
func newLab(ctx context.Context) (lab spec.Lab, note string, err error) {
	lab = spec.Default()
	mode, why, err := doctor.ProxyMode(ctx)
	if err != nil || mode == lab.Spec.Network.ProxyMode {
		return lab, "", err
	}
	lab.Spec.Network.ProxyMode = mode
	return lab, fmt.Sprintf("note: kube-proxy runs in %s mode, as this machine cannot do iptables (%s); `workbench doctor --fix` mends what it can", mode, why), nil
}

// wantedLab is what file and flags ask for, checked against this machine.
func wantedLab(cmd *cobra.Command, place layout.Lab, f *upFlags, base spec.Lab) (spec.Lab, error) {
	lab := base
	if f.file != "" {
		var err error
		if lab, err = loadLab(cmd, f.file); err != nil {
			return spec.Lab{}, err
		}
		if !lab.NamesProxyMode() {
			lab.Spec.Network.ProxyMode = base.Spec.Network.ProxyMode
		}
	}
	lab.Metadata.Name = place.Name
	flags := cmd.Flags()
	if flags.Changed("control-planes") {
		lab.Spec.ControlPlanes.Count = f.controlPlanes
	}
	if flags.Changed("workers") {
		lab.Spec.Workers.Count = f.workers
	}
	if flags.Changed("failure-detection") {
		lab.Spec.FailureDetection = spec.Profile(f.profile)
	}
	if f.apiPort < 0 || f.apiPort > 65535 {
		return spec.Lab{}, fmt.Errorf("--api-port %d: want a port from 1 to 65535, or 0 for a free one", f.apiPort)
	}
	machine, err := doctor.Machine()
	if err != nil {
		return spec.Lab{}, err
	}
	return lab, lab.Validate(machine)
}

func loadLab(cmd *cobra.Command, file string) (spec.Lab, error) {
	if file == "-" {
		return spec.Load("standard input", cmd.InOrStdin())
	}
	r, err := os.Open(file)
	if err != nil {
		return spec.Lab{}, fmt.Errorf("read lab file: %w", err)
	}
	defer r.Close()
	return spec.Load(file, r)
}

// freePort is a port of the loopback that is free now. It stays the lab's own
// from then on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port for the API: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func requireRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("a lab is made of namespaces and mounts, which need root; run: sudo workbench up (workbench doctor says what else is missing)")
	}
	return nil
}

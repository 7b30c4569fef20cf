package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/grpclog"

	"workbench/cluster/campaign"
	"workbench/cluster/campaign/writer"
	"workbench/cluster/state"
)

type campaignFlags struct {
	faults, overlap    int
	seed               uint64
	duration, converge time.Duration
	kinds              []string
	output             string
	yes, noWrites      bool
}

func campaignCommand(o *options) *cobra.Command {
	f := &campaignFlags{}
	cmd := &cobra.Command{
		Use: "campaign", Short: "Run many random faults, and verify that nothing acknowledged is lost", Args: cobra.NoArgs,
		Long: `Run random faults on the lab, one or a few at a time, and wait after each until the lab
has converged. Meanwhile clients write through the API and to etcd; what they were told
is verified: every key linearizable, every acknowledged write there. The quorum of etcd
and one worker are never hit. The same seed on the same topology gives the same faults.
The campaign stops at the first violation; the exit code is 0 only if there is none.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runCampaign(cmd, o, f) },
	}
	cmd.AddCommand(stopCommand(o, state.Campaign))
	flags := cmd.Flags()
	flags.IntVar(&f.faults, "faults", 20, "how many faults")
	flags.Uint64Var(&f.seed, "seed", 1, "what the faults are drawn with")
	flags.DurationVar(&f.duration, "duration", 0, "begin no fault after this time; 0 is no limit")
	flags.StringSliceVar(&f.kinds, "kinds", nil, "kinds of faults to draw from (default: all that campaigns know but cert-expire and disk-full, which take longer)")
	flags.IntVar(&f.overlap, "overlap", 2, "how many faults may be on at the same time")
	flags.DurationVar(&f.converge, "converge", 3*time.Minute, "how long the lab may take to be whole after a heal")
	flags.BoolVar(&f.noWrites, "no-writes", false, "write nothing, and so verify no writes")
	flags.StringVarP(&f.output, "output", "o", "text", "the result as text or json; progress goes to standard error with json")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	return cmd
}

func runCampaign(cmd *cobra.Command, o *options, f *campaignFlags) (err error) {
	if f.output != "text" && f.output != "json" {
		return fmt.Errorf("-o %s: want text or json", f.output)
	}
	client, place, err := o.client()
	if err != nil {
		return err
	}
	world, err := client.World(cmd.Context())
	if err != nil {
		return err
	}
	if err := confirm(f.yes, fmt.Sprintf("A campaign breaks lab %s %d times. Run it?", o.name, f.faults)); err != nil {
		return err
	}
	ctx, stop := untilInterrupt(cmd.Context())
	defer stop()
	out := cmd.OutOrStdout()
	progress := out
	if f.output == "json" {
		progress = cmd.ErrOrStderr()
	}
	cfg := campaign.Config{
		Source: client, Lab: client, Faults: f.faults, Seed: f.seed, Duration: f.duration, Kinds: f.kinds, Overlap: f.overlap,
		Converge: f.converge, Owner: owner(), Dir: filepath.Join(place.Dir(), "campaigns"), Say: func(line string) { fmt.Fprintln(progress, line) },
	}
	if !f.noWrites {
		// Connections that break are what a campaign is about; gRPC tells each.
		grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
		if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
			return fmt.Errorf("make a place for pictures of violations: %w", err)
		}
		direct, openErr := writer.OpenEtcd(place, world)
		if openErr != nil {
			return openErr
		}
		defer func() { err = errors.Join(err, direct.Close()) }()
		through, openErr := writer.OpenAPI(place)
		if openErr != nil {
			return openErr
		}
		defer func() { err = errors.Join(err, through.Close()) }()
		cfg.Stores = []campaign.Store{through, direct}
	}
	result, err := campaign.Run(ctx, cfg)
	write := result.WriteText
	if f.output == "json" {
		write = result.WriteJSON
	}
	if result.Faults > 0 {
		err = errors.Join(err, write(out))
	}
	return err
}

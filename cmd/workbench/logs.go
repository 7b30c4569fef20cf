package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fsnotify/fsnotify"
	"github.com/spf13/cobra"

	"workbench/cluster/layout"
	"workbench/cluster/plan"
)

func logsCommand(o *options) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs NODE[/COMPONENT]",
		Short: "Print the log of a component, or of all on a node",
		Args:  cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return targets(cmd, o, "component"), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			place, err := o.place()
			if err != nil {
				return err
			}
			files, err := logFiles(place, args[0])
			if err != nil {
				return err
			}
			ctx, stop := untilInterrupt(cmd.Context())
			defer stop()
			return printLogs(ctx, cmd.OutOrStdout(), files, follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as lines are written")
	return cmd
}

// logFiles are the log files of a target, by component.
func logFiles(place layout.Lab, target string) (map[string]string, error) {
	name, component, one := strings.Cut(target, "/")
	dir := filepath.Join(place.Root(name), plan.LogDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		nodes, _ := filepath.Glob(place.Node("*"))
		for i := range nodes {
			nodes[i] = filepath.Base(nodes[i])
		}
		return nil, fmt.Errorf("no logs of node %q in lab %s; it has %s", name, place.Name, strings.Join(nodes, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("find logs: %w", err)
	}
	files, names := map[string]string{}, []string{}
	for _, e := range entries {
		c, ok := strings.CutSuffix(e.Name(), ".log")
		if !ok {
			continue
		}
		names = append(names, c)
		if !one || c == component {
			files[c] = filepath.Join(dir, e.Name())
		}
	}
	if len(files) == 0 {
		slices.Sort(names)
		return nil, fmt.Errorf("no log of component %q on node %s; there are %s", component, name, strings.Join(names, ", "))
	}
	return files, nil
}

// tail is a log file being read.
type tail struct {
	prefix string
	path   string
	file   *os.File
	part   []byte
}

func printLogs(ctx context.Context, out io.Writer, files map[string]string, follow bool) error {
	var tails []*tail
	for name, path := range files {
		t := &tail{path: path}
		if len(files) > 1 {
			t.prefix = name + ": "
		}
		var err error
		if t.file, err = os.Open(path); err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		defer func() { _ = t.file.Close() }()
		tails = append(tails, t)
	}
	slices.SortFunc(tails, func(a, b *tail) int { return strings.Compare(a.path, b.path) })
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch logs: %w", err)
	}
	defer watcher.Close()
	if err := watcher.Add(filepath.Dir(tails[0].path)); err != nil {
		return fmt.Errorf("watch logs: %w", err)
	}
	for {
		for _, t := range tails {
			if err := t.print(out); err != nil {
				return err
			}
		}
		if !follow {
			return nil
		}
		select {
		case <-watcher.Events:
		case err := <-watcher.Errors:
			return fmt.Errorf("watch logs: %w", err)
		case <-ctx.Done():
			return nil
		}
	}
}

// print copies whole lines; after a rotation it goes on with the new file.
func (t *tail) print(out io.Writer) error {
	raw, err := io.ReadAll(t.file)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	t.part = append(t.part, raw...)
	for {
		line, rest, ok := strings.Cut(string(t.part), "\n")
		if !ok {
			break
		}
		t.part = []byte(rest)
		if _, err := fmt.Fprintf(out, "%s%s\n", t.prefix, line); err != nil {
			return err
		}
	}
	now, err := os.Stat(t.path)
	if err != nil {
		return nil // between rename and creation
	}
	if open, err := t.file.Stat(); err == nil && !os.SameFile(open, now) {
		fresh, err := os.Open(t.path)
		if err != nil {
			return nil
		}
		_ = t.file.Close()
		t.file = fresh
		return t.print(out)
	}
	return nil
}

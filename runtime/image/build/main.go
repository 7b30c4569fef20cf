// Command build makes the image layers that are embedded in the workbench binary:
//
//	go run ./runtime/image/build
//
// Run it in the module's root before compiling cmd/workbench. It builds for this
// machine's architecture unless -arch names another (GOARCH would make "go run"
// itself build for it), and does nothing if the layers are up to date.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"

	"workbench/runtime/image/compile"
)

func main() {
	config := compile.Config{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	flag.StringVar(&config.Module, "module", ".", "root directory of the module")
	flag.StringVar(&config.Dist, "dist", "runtime/image/dist", "directory to write to")
	flag.StringVar(&config.Arch, "arch", runtime.GOARCH, "architecture: amd64 or arm64")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if _, err := compile.Build(ctx, config); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		stop()
		os.Exit(1)
	}
}

package ui

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/containerd/console"
)

func TestAwaitHangup(t *testing.T) {
	master, path, err := console.NewPty()
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	ctx, stop := context.WithCancel(t.Context())
	told := make(chan error, 1)
	go func() { told <- awaitHangup(ctx, terminal) }()
	if _, err := master.Write([]byte("keys\n")); err != nil { // input alone is no hang-up
		t.Fatal(err)
	}
	stop()
	if err := <-told; err != nil {
		t.Errorf("with the terminal open: %v", err)
	}
	go func() { told <- awaitHangup(t.Context(), terminal) }()
	if err := master.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-told; !errors.Is(err, errHungUp) {
		t.Errorf("after the hang-up: %v", err)
	}
}

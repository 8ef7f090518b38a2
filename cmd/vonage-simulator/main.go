// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command vonage-simulator stands in for the Vonage Video API: it serves both environments of it, a live page at / and
// a control API under /_sim/ with which simulated clients connect. It is for tests, demos and the sandbox; bind it to
// loopback only, as its control API asks for no credential.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "vonage-simulator:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done. It prints the URL to out once it listens.
func run(ctx context.Context, args []string, out, errOut io.Writer) error {
	o, err := parseFlags(args, errOut)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	o.sim.Logger = slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: level}))
	sim := simulator.New(o.sim)
	sim.SetLatency(o.latency)
	defer sim.Close()

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.bindAddress)
	if err != nil {
		return fmt.Errorf("listening: %w: give another --bind-address", err)
	}
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	fmt.Fprintf(out, "http://%s\n", listener.Addr())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	sim.Close() // ends event streams and calls that are held by a fault, so that the shutdown has nothing to wait for
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(stopCtx); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command demo plays on this machine what the operator does for a class: it goes to breakout rooms and back, and the
// rooms are edited meanwhile in every way. It fails if anybody received anything else or went anywhere else. It leaves
// nothing behind.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/breakout-operator/breakout-operator/internal/sandbox/environment"
)

func main() {
	var o environment.Options
	o.AddFlags(flag.CommandLine)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	// What goes wrong in the libraries comes back as an error; nobody needs their logs.
	ctrllog.SetLogger(zap.New(zap.WriteTo(io.Discard)))
	err := demo(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nError:", err)
		os.Exit(1)
	}
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command assets makes sure that the control plane's programs are there (see package sandbox) and prints
// the folder with etcd and kube-apiserver, which is what KUBEBUILDER_ASSETS wants. Progress goes to
// standard error.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/breakout-operator/breakout-operator/internal/sandbox"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	binaries, err := sandbox.Assets(ctx, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Println(filepath.Dir(binaries.APIServer))
	return nil
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/breakout-operator/breakout-operator/internal/sandbox"
)

const (
	// operatorPackage is the operator's main package, and operatorNamespace where it lives in a cluster.
	operatorPackage   = "./cmd/manager"
	operatorNamespace = "breakout-operator-system"

	// operatorServiceAccount is whose rights it has.
	operatorServiceAccount = "breakout-operator-controller-manager"

	// stopTimeout is how long the operator may take to stop, as long as the longest call that it makes.
	stopTimeout = 15 * time.Second
)

// buildOperator builds the operator into the file out.
func buildOperator(ctx context.Context, root, out string, progress io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, operatorPackage)
	cmd.Dir = root
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	stop := keepSaying(progress, "Building the operator")
	err := cmd.Run()
	stop()
	if err != nil {
		return fmt.Errorf("build the operator: %w\n%s", err, bytes.TrimSpace(output.Bytes()))
	}
	return nil
}

// operatorArgs are the flags that the operator gets here. It serves neither metrics nor probes: nobody would look.
func operatorArgs() []string {
	return []string{
		"--leader-elect",
		"--operator-namespace=" + operatorNamespace,
		"--metrics-bind-address=0",
		"--health-probe-bind-address=0",
		"--zap-encoder=console", // people read it here
		"--zap-stacktrace-level=panic",
	}
}

// startOperator runs a program with the kubeconfig as its only access, and appends its output to the log.
func startOperator(program string, args []string, kubeconfig, logPath string) (*sandbox.Process, error) {
	return sandbox.StartProcess(sandbox.Command{
		Name: "the operator", Path: program, Args: args, Env: []string{"KUBECONFIG=" + kubeconfig}, Log: logPath,
	})
}

// keepSaying says that something takes long, if it does, until the result is called.
func keepSaying(progress io.Writer, what string) (stop func()) {
	const period = 5 * time.Second
	begun, finished, ended := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		for {
			select {
			case <-finished:
				return
			case <-ticker.C:
				fmt.Fprintf(progress, "%s … %s\n", what, time.Since(begun).Round(time.Second))
			}
		}
	}()
	return func() {
		close(finished)
		<-ended
	}
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/breakout-operator/breakout-operator/internal/sandbox"
)

const (
	// restartDelay is the pause before an operator that ended is started again.
	restartDelay = 2 * time.Second

	// shortLife is how long an operator must live for its end to be news; after crashLimit shorter lives in a row the sandbox gives up.
	shortLife  = 20 * time.Second
	crashLimit = 3
)

// up runs everything until ctx is done.
func up(ctx context.Context, o options, out io.Writer) error {
	e, err := start(ctx, o, out)
	if err != nil {
		return quietly(ctx, err)
	}
	fmt.Fprint(out, welcome(e, findKubectl(ctx, out)))
	err = e.supervise(ctx, out, restartDelay)
	fmt.Fprintln(out, "\nStopping")
	if err != nil {
		return e.stopAfter(ctx, err)
	}
	return e.stop()
}

// quietly drops the error of somebody's interrupt.
func quietly(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// findKubectl is how to call kubectl: by its name where it is on the PATH, else by the path of one that is built and kept.
func findKubectl(ctx context.Context, progress io.Writer) string {
	if _, err := exec.LookPath("kubectl"); err == nil {
		return "kubectl"
	}
	path, err := sandbox.Kubectl(ctx, progress)
	if err != nil {
		fmt.Fprintf(progress, "There is no kubectl on the PATH, and none could be built: %v\n", err)
		return "kubectl"
	}
	return path
}

// welcome says how to use the sandbox.
func welcome(e *environment, kubectl string) string {
	return fmt.Sprintf(`
The sandbox is up. In another terminal, in this folder:

  export KUBECONFIG=%[1]s
  %[2]s apply -f config/samples
  %[2]s get video

Sessions, who is in them and what they are told, live:  %[3]s/
Logs:                                                   %[4]s
Ctrl-C stops and removes all of it.
`, e.kubeconfig, kubectl, e.vonage.url, e.dir)
}

// supervise starts the operator again whenever it ends, until ctx is done or it keeps ending.
func (e *environment) supervise(ctx context.Context, out io.Writer, delay time.Duration) error {
	started := time.Now()
	for crashes := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-e.operator.Done():
		}
		if crashes++; time.Since(started) > shortLife {
			crashes = 1
		}
		if crashes == crashLimit {
			return fmt.Errorf("%w\nit ended %d times in a row", e.operator.Failure(), crashes)
		}
		fmt.Fprintf(out, "\n%s  %v\nIt is started again in %s.\n", time.Now().Format(time.TimeOnly), e.operator.Failure(), delay)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
		if err := e.restartOperator(); err != nil {
			return err
		}
		started = time.Now()
	}
}

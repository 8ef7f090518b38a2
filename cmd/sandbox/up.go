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
	"github.com/breakout-operator/breakout-operator/internal/sandbox/environment"
)

const (
	// restartDelay is the pause before an operator that ended is started again.
	restartDelay = 2 * time.Second

	// shortLife is how long an operator must live for its end to be news; after crashLimit shorter lives in a row the
	// sandbox gives up.
	shortLife  = 20 * time.Second
	crashLimit = 3
)

// up runs everything until ctx is done.
func up(ctx context.Context, o environment.Options, out io.Writer) error {
	e, err := environment.Start(ctx, o, out)
	if err != nil {
		return unlessInterrupted(ctx, err)
	}
	fmt.Fprint(out, welcome(e, findKubectl(ctx, out)))
	err = supervise(ctx, out, e.Operator, restartDelay, func() (*sandbox.Process, error) {
		err := e.RestartOperator()
		return e.Operator, err
	})
	fmt.Fprintln(out, "\nStopping")
	if err != nil {
		return e.StopAfter(ctx, err)
	}
	return e.Stop()
}

// unlessInterrupted drops the error of somebody's interrupt.
func unlessInterrupted(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}

// findKubectl is how to call kubectl: by its name where it is on the PATH, else by the path of one that is built and
// kept.
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
func welcome(e *environment.Environment, kubectl string) string {
	return fmt.Sprintf(`
The sandbox is up. In another terminal, in this folder:

  export KUBECONFIG=%[1]s
  %[2]s apply -f config/samples
  %[2]s get video

Sessions, who is in them and what they are told, live:  %[3]s/
Logs:                                                   %[4]s
Ctrl-C stops and removes all of it.
`, e.Kubeconfig, kubectl, e.Vendor.URL, e.Dir)
}

// supervise starts the operator again, after a delay, whenever it ends, until ctx is done or it keeps ending.
func supervise(
	ctx context.Context, out io.Writer, operator *sandbox.Process, delay time.Duration,
	restart func() (*sandbox.Process, error),
) (err error) {
	started := time.Now()
	for crashes := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-operator.Done():
		}
		if crashes++; time.Since(started) > shortLife {
			crashes = 1
		}
		if crashes == crashLimit {
			return fmt.Errorf("%w\nit ended %d times in a row", operator.Failure(), crashes)
		}
		now := time.Now().Format(time.TimeOnly)
		fmt.Fprintf(out, "\n%s  %v\nIt is started again in %s.\n", now, operator.Failure(), delay)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
		if operator, err = restart(); err != nil {
			return err
		}
		started = time.Now()
	}
}

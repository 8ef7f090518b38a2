// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command sandbox runs the operator on this machine, without containers and without Vonage: a Kubernetes control plane,
// a simulator of the Vonage Video API, and the operator as a process of its own, with no more rights than its
// ServiceAccount has in a cluster.
//
//	sandbox up      stays up, to be used with kubectl, until it is interrupted
//
// It leaves nothing behind.
package main

import (
	"context"
	"errors"
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

const usage = `Runs the operator on this machine, with a Kubernetes control plane and a simulated Vonage Video API.

Usage:
  sandbox up [flags]    stay up, to be used with kubectl, until interrupted

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "\nError:", err)
		os.Exit(1)
	}
}

// errUsage says that the command line was wrong, which has been printed.
var errUsage = errors.New("wrong usage")

func parse(args []string, stderr io.Writer) (environment.Options, error) {
	var o environment.Options
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o.AddFlags(flags)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "up":
	case "-h", "-help", "--help", "help":
		flags.Usage()
		return o, flag.ErrHelp
	default:
		flags.Usage()
		return o, errUsage
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return o, err
	} else if err != nil {
		return o, errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "unexpected argument %q\n", flags.Arg(0))
		return o, errUsage
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	// What goes wrong in the libraries comes back as an error; nobody needs their logs.
	ctrllog.SetLogger(zap.New(zap.WriteTo(io.Discard)))
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return up(ctx, o, stdout)
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command sandbox runs the operator on this machine, without containers and without Vonage: a Kubernetes control plane, a simulator of
// the Vonage Video API, and the operator as a process of its own, with no more rights than its ServiceAccount has in a cluster.
//
//	sandbox up      stays up, to be used with kubectl, until it is interrupted
//	sandbox demo    takes a class to breakout rooms and back, edits them meanwhile in every way, and fails if anybody was told anything
//	                else or taken anywhere else
//
// Both leave nothing behind.
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
)

const usage = `Runs the operator on this machine, with a Kubernetes control plane and a simulated Vonage Video API.

Usage:
  sandbox up   [flags]    stay up, to be used with kubectl, until interrupted
  sandbox demo [flags]    take a class to breakout rooms and back; exit status 0 only if all went right

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

// options are what the command line chooses.
type options struct {
	command          string
	dir              string
	simulatorAddress string
	tokenSecrets     bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.dir, "dir", "", "folder for logs and data, which is kept; a temporary one that is removed by default")
	flags.StringVar(&o.simulatorAddress, "simulator-address", "", "address on which the simulated Vonage listens; a free port of 127.0.0.1 by default")
	flags.BoolVar(&o.tokenSecrets, "token-secrets", false, "let the operator write tokens into Secrets of namespace default, as config/rbac-token-secrets does")
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	if len(args) > 0 {
		o.command, args = args[0], args[1:]
	}
	switch o.command {
	case "up", "demo":
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
	ctrllog.SetLogger(zap.New(zap.WriteTo(io.Discard))) // the libraries' logs; what goes wrong here comes back as an error
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.command == "demo" {
		return demo(ctx, o, stdout)
	}
	return up(ctx, o, stdout)
}

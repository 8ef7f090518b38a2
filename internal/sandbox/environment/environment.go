// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package environment runs the operator on this machine as in a cluster, but without containers and without Vonage: a
// Kubernetes control plane, a simulator of the Vonage Video API with one project, and the operator as a process of its
// own, with no more rights than its ServiceAccount has. The sandbox and the demo take place in it; parts of it serve
// other tests.
package environment

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sandbox"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

const (
	// readyTimeout bounds the wait for the operator to check the account, pollPeriod is how often that is looked at.
	readyTimeout = 60 * time.Second
	pollPeriod   = 100 * time.Millisecond
)

// auditPolicy has the API server write down what the operator asks of it, without contents: that shows whether its
// roles suffice, whatever its own log says.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
  users: ["system:serviceaccount:` + OperatorNamespace + ":" + operatorServiceAccount + `"]
- level: None
`

// Options are the choices that Start offers.
type Options struct {
	// Dir is the folder for logs and data, which is kept; empty for a temporary one, which Stop removes.
	Dir string
	// SimulatorAddress is where the simulated Vonage listens; empty for the usual address, or a free port if that is
	// taken.
	SimulatorAddress string
	// TokenSecrets lets the operator write tokens into Secrets of namespace default, as config/rbac-token-secrets does.
	TokenSecrets bool
}

// AddFlags makes the options flags of a program.
func (o *Options) AddFlags(flags *flag.FlagSet) {
	flags.StringVar(&o.Dir, "dir", "",
		"folder for logs and data, which is kept; a temporary one that is removed by default")
	flags.StringVar(&o.SimulatorAddress, "simulator-address", "",
		"address on which the simulated Vonage listens; a free port of 127.0.0.1 by default")
	flags.BoolVar(&o.TokenSecrets, "token-secrets", false,
		"let the operator write tokens into Secrets of namespace default, as config/rbac-token-secrets does")
}

// Environment is all that runs: control plane, simulated vendor, operator.
type Environment struct {
	// Dir is the folder with all logs, Kubeconfig a file there that gives all rights.
	Dir        string
	Kubeconfig string

	// ControlPlane is the API server with what belongs to it; Client has all rights there.
	ControlPlane *sandbox.ControlPlane
	Client       client.WithWatch

	// Vendor is the simulated Vonage.
	Vendor *Vendor

	// Operator is the operator that was started last.
	Operator *sandbox.Process

	ownsDir   bool // it is temporary
	keepLogs  bool // Stop leaves the logs in it
	vendorLog *os.File
}

// Start brings everything up and returns when the account is Ready. Lines for people go to progress. ctx bounds the
// start only.
func Start(ctx context.Context, o Options, progress io.Writer) (_ *Environment, err error) {
	progress = &lockedWriter{to: progress}
	root, err := sandbox.ModuleRoot()
	if err != nil {
		return nil, err
	}
	e := &Environment{}
	if err := e.makeDir(o.Dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = e.StopAfter(ctx, err)
		}
	}()
	installation, err := e.prepare(ctx, root, progress)
	if err != nil {
		return nil, err
	}
	if err := e.startVendor(ctx, o.SimulatorAddress); err != nil {
		return nil, err
	}
	if err := e.install(ctx, root, installation, o.TokenSecrets); err != nil {
		return nil, err
	}
	fmt.Fprintf(progress, "Starting the operator as ServiceAccount %s\n", operatorServiceAccount)
	if err := e.startOperator(ctx); err != nil {
		return nil, err
	}
	return e, e.waitForAccount(ctx)
}

// makeDir makes the folder for logs and data: that of the name, or a temporary one.
func (e *Environment) makeDir(dir string) (err error) {
	if dir == "" {
		e.ownsDir = true
		e.Dir, err = os.MkdirTemp("", "breakout-sandbox-") // short: sockets are made in it
	} else if e.Dir, err = filepath.Abs(dir); err == nil {
		err = os.MkdirAll(e.Dir, 0o700)
	}
	if err != nil {
		return fmt.Errorf("make the sandbox's folder: %w", err)
	}
	e.Kubeconfig = filepath.Join(e.Dir, "kubeconfig")
	return nil
}

// AuditLog is the file in which the API server writes down what the operator asks of it, one audit.k8s.io/v1 Event a
// line.
func (e *Environment) AuditLog() string { return filepath.Join(e.Dir, "audit.log") }

// prepare does at once what takes long: it starts the control plane, builds the operator and renders what is to be
// installed.
func (e *Environment) prepare(
	ctx context.Context, root string, progress io.Writer,
) ([]*unstructured.Unstructured, error) {
	policy := filepath.Join(e.Dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, fmt.Errorf("write the audit policy: %w", err)
	}
	fmt.Fprintln(progress, "Starting a Kubernetes control plane and building the operator")
	var installation []*unstructured.Unstructured
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		controlPlane, err := sandbox.Start(groupCtx, sandbox.Options{
			CRDs: []string{filepath.Join(root, "config", "crd", "bases")}, Dir: e.Dir, Progress: progress,
			APIServerArgs: []string{
				"--audit-policy-file=" + policy, "--audit-log-path=" + e.AuditLog(),
				"--audit-log-maxsize=100", "--audit-log-maxbackup=1",
			},
		})
		e.ControlPlane = controlPlane
		return err
	})
	group.Go(func() error {
		return BuildOperator(groupCtx, root, e.operatorProgram(), progress)
	})
	group.Go(func() (err error) {
		defer keepSaying(progress, "Rendering config/default with kustomize")()
		installation, err = sandbox.ReadManifests(groupCtx, filepath.Join(root, "config", "default"))
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return withoutWorkloads(installation), nil
}

// withoutWorkloads leaves out what is there already, and what only makes sense where there are nodes to run it.
func withoutWorkloads(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	return slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool {
		return slices.Contains([]string{"CustomResourceDefinition", "Deployment", "Service"}, o.GetKind())
	})
}

// startVendor starts the simulated vendor, which logs everything.
func (e *Environment) startVendor(ctx context.Context, address string) (err error) {
	e.vendorLog, err = os.OpenFile(filepath.Join(e.Dir, "simulator.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start the simulator: %w", err)
	}
	logger := slog.New(slog.NewTextHandler(e.vendorLog, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e.Vendor, err = StartVendor(ctx, VendorOptions{Address: address, Simulator: simulator.Options{Logger: logger}})
	return err
}

// install applies roles and namespaces as an installation has them, and makes the account.
func (e *Environment) install(
	ctx context.Context, root string, installation []*unstructured.Unstructured, tokenSecrets bool,
) error {
	if err := e.ControlPlane.Kubeconfig(e.Kubeconfig); err != nil {
		return err
	}
	config := e.ControlPlane.Config()
	scheme := apiruntime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return fmt.Errorf("register the kinds: %w", err)
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	e.Client = c
	if err := sandbox.ApplyObjects(ctx, config, installation); err != nil {
		return err
	}
	if tokenSecrets {
		if _, err := sandbox.ApplyManifests(
			ctx, config, filepath.Join(root, "config", "rbac-token-secrets"),
		); err != nil {
			return err
		}
	}
	for _, object := range []client.Object{e.Vendor.Credentials(), e.Vendor.Account()} {
		if err := c.Create(ctx, object); err != nil {
			return fmt.Errorf("make the Vonage account: %w", err)
		}
	}
	return nil
}

// waitForAccount waits until the operator has found the account's credentials to be right.
func (e *Environment) waitForAccount(ctx context.Context) error {
	account := &v1alpha1.VonageAccount{}
	err := wait.PollUntilContextTimeout(ctx, pollPeriod, readyTimeout, true, func(ctx context.Context) (bool, error) {
		if e.Operator.Ended() {
			return false, e.Operator.Failure()
		}
		if err := e.Client.Get(ctx, client.ObjectKey{Name: AccountName}, account); err != nil {
			return false, err
		}
		return meta.IsStatusConditionTrue(account.Status.Conditions, v1alpha1.ReadyCondition), nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		state := "has no condition yet"
		if ready := meta.FindStatusCondition(account.Status.Conditions, v1alpha1.ReadyCondition); ready != nil {
			state = fmt.Sprintf("is Ready=%s, %s: %s", ready.Status, ready.Reason, ready.Message)
		}
		return fmt.Errorf("the VonageAccount %s after %s; the end of the operator's log:\n%s",
			state, readyTimeout, e.Operator.LogTail())
	}
	if err != nil {
		return fmt.Errorf("wait for the VonageAccount: %w", err)
	}
	return nil
}

// Stop ends everything and removes what it left on the disk. It may be called at any stage.
func (e *Environment) Stop() error {
	e.Operator.Stop(stopTimeout)
	var errs []error
	if e.ControlPlane != nil {
		errs = append(errs, e.ControlPlane.Stop())
	}
	errs = append(errs, e.Vendor.Stop())
	if e.vendorLog != nil {
		errs = append(errs, e.vendorLog.Close())
	}
	switch {
	case !e.ownsDir:
	case e.keepLogs:
		errs = append(errs, removeAllBut(e.Dir, ".log"))
	default:
		errs = append(errs, os.RemoveAll(e.Dir))
	}
	return errors.Join(errs...)
}

// StopAfter is Stop after something went wrong, and returns what went wrong as well. The logs stay, if the operator has
// come to write one; not after an interrupt, when ctx is done.
func (e *Environment) StopAfter(ctx context.Context, err error) error {
	if e.keepLogs = ctx.Err() == nil && e.Operator != nil; e.keepLogs {
		err = fmt.Errorf("%w\nThe logs are kept in %s", err, e.Dir)
	}
	return errors.Join(err, e.Stop())
}

// removeAllBut removes what is in a folder, but for the files that end so: keys and data go, logs stay.
func removeAllBut(dir, suffix string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("remove the sandbox's data: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		if entry.IsDir() || filepath.Ext(entry.Name()) != suffix {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// lockedWriter lets several goroutines write whole lines.
type lockedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

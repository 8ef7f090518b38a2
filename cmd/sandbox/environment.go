// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sandbox"
)

const (
	// roomsNamespace is where people's rooms are made if they say nothing else.
	roomsNamespace = "default"

	// readyTimeout bounds the wait for the operator to check the account.
	readyTimeout = 60 * time.Second

	// pollPeriod is how often something is looked at that cannot be watched.
	pollPeriod = 100 * time.Millisecond
)

// environment is all that runs: control plane, simulated vendor, operator.
type environment struct {
	dir          string
	ownsDir      bool // it is temporary
	keepLogs     bool // stop leaves the logs in it
	kubeconfig   string
	controlPlane *sandbox.ControlPlane
	client       client.WithWatch
	vonage       *vendor
	operator     *sandbox.Process
}

// start brings everything up and returns when the account is Ready. Lines for people go to progress.
func start(ctx context.Context, o options, progress io.Writer) (_ *environment, err error) {
	progress = &lockedWriter{to: progress}
	root, err := sandbox.ModuleRoot()
	if err != nil {
		return nil, err
	}
	e := &environment{}
	if err := e.makeDir(o.dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = e.stopAfter(ctx, err)
		}
	}()
	installation, err := e.prepare(ctx, root, progress)
	if err != nil {
		return nil, err
	}
	if e.vonage, err = startVonage(ctx, o.simulatorAddress, e.dir); err != nil {
		return nil, err
	}
	if err := e.install(ctx, root, installation, o.tokenSecrets); err != nil {
		return nil, err
	}
	fmt.Fprintf(progress, "Starting the operator as ServiceAccount %s\n", operatorServiceAccount)
	if err := e.startOperator(ctx); err != nil {
		return nil, err
	}
	return e, e.waitForAccount(ctx)
}

// makeDir makes the folder for logs and data: that of the name, or a temporary one.
func (e *environment) makeDir(dir string) (err error) {
	if dir == "" {
		e.ownsDir = true
		e.dir, err = os.MkdirTemp("", "breakout-sandbox-") // short: sockets are made in it
	} else if e.dir, err = filepath.Abs(dir); err == nil {
		err = os.MkdirAll(e.dir, 0o700)
	}
	if err != nil {
		return fmt.Errorf("make the sandbox's folder: %w", err)
	}
	e.kubeconfig = filepath.Join(e.dir, "kubeconfig")
	return nil
}

// prepare does at once what takes long: it starts the control plane, builds the operator and renders what is to be installed.
func (e *environment) prepare(ctx context.Context, root string, progress io.Writer) ([]*unstructured.Unstructured, error) {
	audit, err := auditArgs(e.dir)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(progress, "Starting a Kubernetes control plane and building the operator")
	var installation []*unstructured.Unstructured
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		controlPlane, err := sandbox.Start(groupCtx, sandbox.Options{
			CRDs: []string{filepath.Join(root, "config", "crd", "bases")}, APIServerArgs: audit, Dir: e.dir, Progress: progress,
		})
		e.controlPlane = controlPlane
		return err
	})
	group.Go(func() error {
		return buildOperator(groupCtx, root, e.operatorProgram(), progress)
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

func (e *environment) operatorProgram() string { return filepath.Join(e.dir, "manager") }
func (e *environment) operatorLog() string     { return filepath.Join(e.dir, "operator.log") }

// install applies roles and namespaces as an installation has them, and makes the account.
func (e *environment) install(ctx context.Context, root string, installation []*unstructured.Unstructured, tokenSecrets bool) error {
	if err := e.controlPlane.Kubeconfig(e.kubeconfig); err != nil {
		return err
	}
	config := e.controlPlane.Config()
	scheme := apiruntime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return fmt.Errorf("register the kinds: %w", err)
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	e.client = c
	if err := sandbox.ApplyObjects(ctx, config, installation); err != nil {
		return err
	}
	if tokenSecrets {
		role, err := sandbox.ReadManifests(ctx, filepath.Join(root, "config", "rbac-token-secrets"))
		if err != nil {
			return err
		}
		if err := sandbox.ApplyObjects(ctx, config, role); err != nil {
			return err
		}
	}
	for _, object := range []client.Object{e.vonage.credentials(), e.vonage.account()} {
		if err := c.Create(ctx, object); err != nil {
			return fmt.Errorf("make the Vonage account: %w", err)
		}
	}
	return nil
}

// startOperator runs the operator as its ServiceAccount, once the API server knows of its rights.
func (e *environment) startOperator(ctx context.Context) error {
	config, err := e.controlPlane.ServiceAccountConfig(ctx, operatorNamespace, operatorServiceAccount)
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(e.dir, "operator.kubeconfig")
	if err := e.controlPlane.ServiceAccountKubeconfig(ctx, operatorNamespace, operatorServiceAccount, kubeconfig); err != nil {
		return err
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	// The API server learns of roles by a watch. An operator that comes before is refused at first, tries again, and takes seconds longer.
	err = poll(ctx, readyTimeout, func(ctx context.Context) (bool, error) {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Group: v1alpha1.GroupVersion.Group, Resource: "vonageaccounts"},
		}}
		err := c.Create(ctx, review)
		return review.Status.Allowed, err
	})
	if err != nil {
		return fmt.Errorf("wait until the operator has the rights of config/rbac: %w", err)
	}
	e.operator, err = startOperator(e.operatorProgram(), operatorArgs(), kubeconfig, e.operatorLog())
	return err
}

// restartOperator runs the operator again after it has ended.
func (e *environment) restartOperator() (err error) {
	e.operator, err = startOperator(e.operatorProgram(), operatorArgs(), filepath.Join(e.dir, "operator.kubeconfig"), e.operatorLog())
	return err
}

// waitForAccount waits until the operator has found the account's credentials to be right.
func (e *environment) waitForAccount(ctx context.Context) error {
	account := &v1alpha1.VonageAccount{}
	err := poll(ctx, readyTimeout, func(ctx context.Context) (bool, error) {
		select {
		case <-e.operator.Done():
			return false, e.operator.Failure()
		default:
		}
		if err := e.client.Get(ctx, client.ObjectKey{Name: accountName}, account); err != nil {
			return false, err
		}
		return meta.IsStatusConditionTrue(account.Status.Conditions, v1alpha1.ReadyCondition), nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		state := "has no condition yet"
		if ready := meta.FindStatusCondition(account.Status.Conditions, v1alpha1.ReadyCondition); ready != nil {
			state = fmt.Sprintf("is Ready=%s, %s: %s", ready.Status, ready.Reason, ready.Message)
		}
		return fmt.Errorf("the VonageAccount %s after %s; the end of the operator's log:\n%s", state, readyTimeout, e.operator.LogTail())
	}
	if err != nil {
		return fmt.Errorf("wait for the VonageAccount: %w", err)
	}
	return nil
}

// stop ends everything and removes what it left on the disk. It may be called at any stage.
func (e *environment) stop() error {
	e.operator.Stop(stopTimeout)
	var errs []error
	if e.controlPlane != nil {
		errs = append(errs, e.controlPlane.Stop())
	}
	errs = append(errs, e.vonage.stop())
	switch {
	case !e.ownsDir:
	case e.keepLogs:
		errs = append(errs, removeAllBut(e.dir, ".log"))
	default:
		errs = append(errs, os.RemoveAll(e.dir))
	}
	return errors.Join(errs...)
}

// stopAfter is stop after something went wrong. The logs stay, if the operator has come to write one; not after an interrupt.
func (e *environment) stopAfter(ctx context.Context, err error) error {
	if e.keepLogs = ctx.Err() == nil && e.operator != nil; e.keepLogs {
		err = fmt.Errorf("%w\nThe logs are kept in %s", err, e.dir)
	}
	return errors.Join(err, e.stop())
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

// poll asks until the answer is yes, an error, or the time is over.
func poll(ctx context.Context, timeout time.Duration, ask func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ticker := time.NewTicker(pollPeriod)
	defer ticker.Stop()
	for {
		if yes, err := ask(ctx); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
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

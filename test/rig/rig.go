// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/internal/controller"
	"github.com/breakout-operator/breakout-operator/internal/sandbox"
	"github.com/breakout-operator/breakout-operator/internal/sandbox/environment"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// Options are what a Rig can be set up with.
type Options struct {
	// Simulator are the simulator's options; its projects are added to.
	Simulator simulator.Options

	// Wrap, if given, wraps the simulator's handler.
	Wrap func(http.Handler) http.Handler

	// Progress is told what takes long.
	Progress io.Writer
}

// Rig is an API server with the operator's kinds, a simulator with an account, and a program to run as the operator.
type Rig struct {
	// ControlPlane is the API server with etcd; Config and Client have all rights there.
	ControlPlane *sandbox.ControlPlane
	Config       *rest.Config
	Client       client.WithWatch

	// Vendor is the simulated Vonage, with the project of the account environment.AccountName.
	*environment.Vendor

	// Dir is a folder for files, which Close removes.
	Dir string

	program, kubeconfig string
	operators           []*Operator
}

// New sets up a rig; it takes some ten seconds, or a quarter of an hour when the control plane has to be built first.
func New(ctx context.Context, o Options) (_ *Rig, err error) {
	r := &Rig{}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if r.Dir, err = os.MkdirTemp("", "breakout-operator-rig-"); err != nil {
		return nil, err
	}
	root, err := sandbox.ModuleRoot()
	if err != nil {
		return nil, err
	}
	r.program = filepath.Join(r.Dir, "manager")
	if err := environment.BuildOperator(ctx, root, r.program, o.Progress); err != nil {
		return nil, err
	}
	r.Vendor, err = environment.StartVendor(ctx, environment.VendorOptions{
		Address: "127.0.0.1:0", Simulator: o.Simulator, Wrap: o.Wrap,
	})
	if err != nil {
		return nil, err
	}
	r.ControlPlane, err = sandbox.Start(ctx, sandbox.Options{
		CRDs:               []string{filepath.Join(root, "config", "crd", "bases")},
		WithoutControllers: true,
		Progress:           o.Progress,
	})
	if err != nil {
		return nil, err
	}
	r.kubeconfig = filepath.Join(r.Dir, "kubeconfig")
	if err := r.ControlPlane.Kubeconfig(r.kubeconfig); err != nil {
		return nil, err
	}
	r.Config = r.ControlPlane.Config()
	r.Config.QPS = -1
	if r.Client, err = client.NewWithWatch(r.Config, client.Options{Scheme: controller.Scheme()}); err != nil {
		return nil, err
	}
	return r, r.makeAccount(ctx)
}

// makeAccount makes the account, with no limit to speak of.
func (r *Rig) makeAccount(ctx context.Context) error {
	va := r.Account()
	va.Spec.RateLimit = fixture.NoRateLimit()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: environment.OperatorNamespace}}
	for _, object := range []client.Object{namespace, r.Credentials(), va} {
		if err := r.Client.Create(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// Close stops everything and removes the rig's files.
func (r *Rig) Close() error {
	var errs []error
	for _, o := range r.operators {
		o.Kill()
	}
	errs = append(errs, r.Vendor.Stop())
	if r.ControlPlane != nil {
		errs = append(errs, r.ControlPlane.Stop())
	}
	if r.Dir != "" {
		errs = append(errs, os.RemoveAll(r.Dir))
	}
	return errors.Join(errs...)
}

// Operators are all processes of the operator that there were.
func (r *Rig) Operators() []*Operator { return r.operators }

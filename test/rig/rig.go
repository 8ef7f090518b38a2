// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/controller"
	"github.com/breakout-operator/breakout-operator/internal/sandbox"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

const (
	// OperatorNamespace is where the credentials and the lease are.
	OperatorNamespace = "breakout-operator-system"

	// AccountName is the name of the account of New, and of its Secret.
	AccountName = "default"
)

// Options are what a Rig can be set up with.
type Options struct {
	// Limit is the account's rate limit; nil for none to speak of.
	Limit *v1alpha1.RateLimit

	// Simulator are the simulator's options; its projects are added to.
	Simulator simulator.Options

	// Transport, if given, wraps the simulator's handler.
	Handler func(http.Handler) http.Handler

	// APIServerArgs are further flags of kube-apiserver.
	APIServerArgs []string

	// Progress is told what takes long.
	Progress io.Writer
}

// Rig is an API server with the operator's kinds, a simulator with an account, and a program to run as the operator.
type Rig struct {
	// ControlPlane is the API server with etcd; Config and Client have all rights there.
	ControlPlane *sandbox.ControlPlane
	Config       *rest.Config
	Client       client.WithWatch

	// Simulator is the vendor, URL its address, ProjectID the account's project and Key the key of it.
	Simulator *simulator.Simulator
	URL       string
	ProjectID string
	Key       *rsa.PrivateKey

	// Dir is a folder for files, which Close removes.
	Dir string

	program, kubeconfig string
	server              *http.Server
	operators           []*Operator
}

// New sets up a rig; it takes some ten seconds, or a quarter of an hour when the control plane has to be built first.
func New(ctx context.Context, o Options) (_ *Rig, err error) {
	r := &Rig{ProjectID: uuid.NewString()}
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
	build := exec.CommandContext(ctx, "go", "build", "-o", r.program, "./cmd/manager")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the operator: %w\n%s", err, output)
	}
	if err := r.startVendor(ctx, o); err != nil {
		return nil, err
	}
	r.ControlPlane, err = sandbox.Start(ctx, sandbox.Options{
		CRDs:                     []string{filepath.Join(root, "config", "crd", "bases")},
		WithoutControllerManager: true,
		APIServerArgs:            o.APIServerArgs,
		Progress:                 o.Progress,
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
	if r.Client, err = client.NewWithWatch(r.Config, client.Options{Scheme: controller.NewScheme()}); err != nil {
		return nil, err
	}
	return r, r.makeAccount(ctx, o.Limit)
}

func (r *Rig) startVendor(ctx context.Context, o Options) (err error) {
	if r.Key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return err
	}
	o.Simulator.Projects = append(o.Simulator.Projects, simulator.Project{Environment: simulator.Unified, ID: r.ProjectID, PublicKey: &r.Key.PublicKey})
	r.Simulator = simulator.New(o.Simulator)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.URL = "http://" + listener.Addr().String()
	var handler http.Handler = r.Simulator
	if o.Handler != nil {
		handler = o.Handler(handler)
	}
	r.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(listener) }() // ends with Close
	return nil
}

// PEM is a private key as Vonage hands it out.
func PEM(key *rsa.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err) // it was made by this package
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (r *Rig) makeAccount(ctx context.Context, limit *v1alpha1.RateLimit) error {
	if limit == nil {
		limit = &v1alpha1.RateLimit{RequestsPerSecond: new(int32(10000)), Burst: new(int32(20000))}
	}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: OperatorNamespace}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: OperatorNamespace, Name: AccountName},
			Data:       map[string][]byte{v1alpha1.PrivateKeySecretKey: PEM(r.Key)},
		},
		&v1alpha1.VonageAccount{
			ObjectMeta: metav1.ObjectMeta{Name: AccountName, Annotations: map[string]string{v1alpha1.DefaultAccountAnnotation: "true"}},
			Spec: v1alpha1.VonageAccountSpec{
				ProjectID: r.ProjectID, Endpoint: r.URL, RateLimit: limit,
				CredentialsSecretRef: v1alpha1.LocalObjectReference{Name: AccountName},
			},
		},
	} {
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
	if r.server != nil {
		errs = append(errs, r.server.Close())
	}
	if r.Simulator != nil {
		r.Simulator.Close()
	}
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

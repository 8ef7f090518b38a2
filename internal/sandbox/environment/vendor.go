// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

const (
	// AccountName is the account that rooms use which name none, and CredentialsName its Secret.
	AccountName     = "default"
	CredentialsName = "vonage-credentials"

	// usualSimulatorAddress is where the simulator listens if nobody asked for another address and nobody else listens
	// there: the page stays at the same place from one sandbox to the next.
	usualSimulatorAddress = "127.0.0.1:8088"
)

// VendorOptions are the choices that StartVendor offers.
type VendorOptions struct {
	// Address is where the vendor listens; empty for the usual address, or a free port of 127.0.0.1 if that is taken.
	Address string
	// Simulator are the simulator's options; a project is added to its projects.
	Simulator simulator.Options
	// Wrap, if given, wraps the simulator's handler.
	Wrap func(http.Handler) http.Handler
}

// Vendor is the simulated vendor with a project of its own.
type Vendor struct {
	*simulator.Simulator

	// URL is the base URL of its API, and its page.
	URL string

	// ProjectID is its project, PrivateKey the project's key as Vonage hands it out, in PEM.
	ProjectID  string
	PrivateKey []byte

	server *http.Server
}

// StartVendor makes a project with a new key and serves the simulator until Stop. ctx bounds the start only.
func StartVendor(ctx context.Context, o VendorOptions) (*Vendor, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make the project's key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make the project's key: %w", err)
	}
	listener, err := listen(ctx, o.Address)
	if err != nil {
		return nil, fmt.Errorf("start the simulator: %w", err)
	}
	v := &Vendor{
		URL:        "http://" + listener.Addr().String(),
		ProjectID:  uuid.NewString(),
		PrivateKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
	project := simulator.Project{Environment: simulator.Unified, ID: v.ProjectID, PublicKey: &key.PublicKey}
	o.Simulator.Projects = append(o.Simulator.Projects, project)
	v.Simulator = simulator.New(o.Simulator)
	var handler http.Handler = v.Simulator
	if o.Wrap != nil {
		handler = o.Wrap(handler)
	}
	v.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = v.server.Serve(listener) }() // ends with Close
	return v, nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	config := &net.ListenConfig{}
	if address != "" {
		return config.Listen(ctx, "tcp", address)
	}
	if listener, err := config.Listen(ctx, "tcp", usualSimulatorAddress); err == nil {
		return listener, nil
	}
	return config.Listen(ctx, "tcp", "127.0.0.1:0")
}

// Stop ends the vendor and closes its address. Nil is allowed.
func (v *Vendor) Stop() error {
	if v == nil {
		return nil
	}
	v.Close()
	return v.server.Close()
}

// Credentials is the Secret that the account refers to.
func (v *Vendor) Credentials() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: CredentialsName, Namespace: OperatorNamespace},
		Data:       map[string][]byte{v1alpha1.PrivateKeySecretKey: v.PrivateKey},
	}
}

// Account is the VonageAccount of the project, marked as the default.
func (v *Vendor) Account() *v1alpha1.VonageAccount {
	return &v1alpha1.VonageAccount{
		ObjectMeta: metav1.ObjectMeta{
			Name: AccountName, Annotations: map[string]string{v1alpha1.DefaultAccountAnnotation: "true"},
		},
		Spec: v1alpha1.VonageAccountSpec{
			ProjectID:            v.ProjectID,
			CredentialsSecretRef: v1alpha1.LocalObjectReference{Name: CredentialsName},
			Endpoint:             v.URL,
		},
	}
}

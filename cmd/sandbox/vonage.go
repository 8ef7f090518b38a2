// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

const (
	// accountName is the account that rooms use which name none, and credentialsName its Secret.
	accountName     = "default"
	credentialsName = "vonage-credentials"

	// usualSimulatorAddress is where the simulator listens if nobody asked for another address and nobody else listens there: the page stays
	// at the same place from one sandbox to the next.
	usualSimulatorAddress = "127.0.0.1:8088"
)

// vendor is the simulated vendor with one project.
type vendor struct {
	*simulator.Simulator

	// url is the base URL of its API, and its page.
	url string

	projectID  string
	privateKey []byte
	server     *http.Server
	log        *os.File
}

// startVonage makes a project with a new key and serves the simulator at address, where an empty one means any.
func startVonage(ctx context.Context, address, dir string) (*vendor, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make the project's key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make the project's key: %w", err)
	}
	listener, err := listen(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("start the simulator: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(dir, "simulator.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("start the simulator: %w", err)
	}
	v := &vendor{
		url:        "http://" + listener.Addr().String(),
		projectID:  uuid.NewString(),
		privateKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		log:        log,
	}
	v.Simulator = simulator.New(simulator.Options{
		Projects: []simulator.Project{{Environment: simulator.Unified, ID: v.projectID, PublicKey: &key.PublicKey}},
		Logger:   slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	v.server = &http.Server{Handler: v.Simulator, ReadHeaderTimeout: 10 * time.Second}
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

func (v *vendor) stop() error {
	if v == nil {
		return nil
	}
	v.Close()
	return errors.Join(v.server.Close(), v.log.Close())
}

// credentials is the Secret that the account refers to.
func (v *vendor) credentials() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: credentialsName, Namespace: operatorNamespace},
		Data:       map[string][]byte{v1alpha1.PrivateKeySecretKey: v.privateKey},
	}
}

// account is the VonageAccount of the project, marked as the default.
func (v *vendor) account() *v1alpha1.VonageAccount {
	return &v1alpha1.VonageAccount{
		ObjectMeta: metav1.ObjectMeta{Name: accountName, Annotations: map[string]string{v1alpha1.DefaultAccountAnnotation: "true"}},
		Spec: v1alpha1.VonageAccountSpec{
			ProjectID:            v.projectID,
			CredentialsSecretRef: v1alpha1.LocalObjectReference{Name: credentialsName},
			Endpoint:             v.url,
		},
	}
}

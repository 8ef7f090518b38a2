// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/breakout-operator/breakout-operator/internal/sandbox"
)

// The stories run against one real control plane. Each has its own operator, with its own simulator of the vendor, its own namespaces and its
// own accounts: see newWorld in world_test.go.
var (
	controlPlane *sandbox.ControlPlane

	// adminConfig and admin have all rights; admin reads live.
	adminConfig *rest.Config
	admin       client.Client

	// goodKey is the key of the simulated projects, wrongKey another.
	goodKey, wrongKey *rsa.PrivateKey
)

func TestControllers(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(10 * time.Millisecond)
	RunSpecs(t, "Controllers")
	// No goroutine has outlived its manager. Connections of the process's own HTTP clients are nobody's: they end some time after their server.
	// Nor is an informer's filter of events, controller-runtime's, which waits for ever when its informer has ended between two events.
	if err := goleak.Find(
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal.(*Suite).runNode"),
		goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"),
		goleak.IgnoreTopFunction("k8s.io/apimachinery/pkg/watch.(*filteredWatch).loop"),
		goleak.IgnoreAnyFunction("k8s.io/klog/v2.(*flushDaemon).run.func1"), goleak.IgnoreAnyFunction("os/signal.loop"),
	); err != nil {
		t.Error(err)
	}
}

var _ = BeforeSuite(func(ctx SpecContext) {
	log := logr.Discard()
	if os.Getenv("TEST_LOG") != "" { // for whoever looks into a failure
		log = zap.New(zap.WriteTo(GinkgoWriter), zap.UseDevMode(true))
	}
	ctrl.SetLogger(log)

	var err error
	goodKey, err = rsa.GenerateKey(rand.Reader, 2048)
	Expect(err).NotTo(HaveOccurred())
	wrongKey, err = rsa.GenerateKey(rand.Reader, 2048)
	Expect(err).NotTo(HaveOccurred())

	controlPlane, err = sandbox.Start(ctx, sandbox.Options{
		CRDs:     []string{filepath.Join("..", "..", "config", "crd", "bases")},
		Progress: GinkgoWriter,
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(context.Context) error { return controlPlane.Stop() })
	adminConfig = controlPlane.Config()
	adminConfig.QPS = -1
	admin, err = client.New(adminConfig, client.Options{Scheme: NewScheme()})
	Expect(err).NotTo(HaveOccurred())
}, NodeTimeout(20*time.Minute)) // the control plane may have to be built first

// pemOf is a private key as Vonage hands it out.
func pemOf(key *rsa.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	Expect(err).NotTo(HaveOccurred())
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

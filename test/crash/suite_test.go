// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/controller"
	"github.com/breakout-operator/breakout-operator/internal/sandbox"
)

const (
	// casesAtOnce is how many cases run in parallel unless -parallel says otherwise: they mostly wait for something.
	casesAtOnce = "16"

	operatorNamespace = "breakout-operator-system"
	secretName        = "credentials"
)

// The cases share one API server. Each has its own namespace, account, simulator and operators.
var (
	controlPlane *sandbox.ControlPlane
	adminConfig  *rest.Config
	admin        client.WithWatch
	mapper       meta.RESTMapper
	vendorKey    *rsa.PrivateKey
	witness      *observer

	// trace has a case print what happens.
	trace = os.Getenv("CRASH_TRACE") != ""
)

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", casesAtOnce); err != nil {
			panic(err)
		}
	}
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard()) // operators that are cut off complain a lot
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	// Generous, for a machine that has to build the control plane first.
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := saveCPU(); err != nil {
		return 0, err
	}
	cp, err := sandbox.Start(ctx, sandbox.Options{
		CRDs:                     []string{filepath.Join("..", "..", "config", "crd", "bases")},
		WithoutControllerManager: true, // nothing but the operator changes anything
		// Operators of several cases share a connection, as those of a cluster never do, and have more watches than the 100 streams of the default.
		APIServerArgs: []string{"--http2-max-streams-per-connection=1000"},
		Progress:      os.Stderr,
	})
	if err != nil {
		return 0, err
	}
	controlPlane = cp
	defer func() { err = errors.Join(err, cp.Stop(), leaks()) }()
	adminConfig = cp.Config()
	adminConfig.QPS = -1
	scheme := controller.NewScheme()
	if admin, err = client.NewWithWatch(adminConfig, client.Options{Scheme: scheme}); err != nil {
		return 0, err
	}
	httpClient, err := rest.HTTPClientFor(adminConfig)
	if err != nil {
		return 0, err
	}
	if mapper, err = apiutil.NewDynamicRESTMapper(adminConfig, httpClient); err != nil {
		return 0, err
	}
	if vendorKey, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return 0, err
	}
	if err := makeSecret(ctx); err != nil {
		return 0, err
	}
	if witness, err = observe(ctx); err != nil {
		return 0, err
	}
	defer witness.stop()
	return m.Run(), nil
}

// saveCPU has garbage collected more rarely, here and in the control plane: all cases share a few cores.
func saveCPU() error {
	debug.SetGCPercent(400)
	return os.Setenv("GOGC", "200")
}

// makeSecret makes the credentials of all accounts.
func makeSecret(ctx context.Context) error {
	if err := admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}}); err != nil {
		return err
	}
	return admin.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: secretName},
		Data:       map[string][]byte{v1alpha1.PrivateKeySecretKey: vendorKeyPEM()},
	})
}

// vendorKeyPEM is the private key as Vonage hands it out.
func vendorKeyPEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(vendorKey)
	if err != nil {
		panic(err) // it was made by this package
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// leaks tells of goroutines that have outlived their operators, of which most were killed in the middle of something. Connections of the
// process's own HTTP clients are nobody's: they end some time after their server. Nor is an informer's filter of events, controller-runtime's, which
// waits for ever when its informer has ended between two events.
func leaks() error {
	return goleak.Find(
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("k8s.io/klog/v2.(*flushDaemon).run.func1"),
		goleak.IgnoreTopFunction("k8s.io/apimachinery/pkg/watch.(*filteredWatch).loop"),
	)
}

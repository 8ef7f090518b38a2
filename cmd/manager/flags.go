// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/breakout-operator/breakout-operator/internal/controller"
)

// namespaceFile is where a pod finds the name of its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// shutdownTimeout is how long what was begun may take to end: more than the longest call of the Vonage API, and less
// than the pod's grace.
const shutdownTimeout = 25 * time.Second

// leaseRetry is how often the leader renews its lease and others look at it: half of the usual, since a meeting waits
// for whoever is next.
const leaseRetry = time.Second

// flags are the program's flags.
type flags struct {
	metricsAddr       string
	metricsSecure     bool
	metricsCertPath   string
	metricsCertName   string
	metricsCertKey    string
	enableHTTP2       bool
	probeAddr         string
	pprofAddr         string
	leaderElect       bool
	operatorNamespace string
	accountWorkers    int
	roomWorkers       int
	setWorkers        int
	signalWorkers     int
	zap               zap.Options
}

func bindFlags(fs *flag.FlagSet) *flags {
	f := &flags{}
	fs.StringVar(&f.metricsAddr, "metrics-bind-address", "0",
		"Address of the metrics endpoint: :8443 for HTTPS, :8080 for HTTP, 0 for none.")
	fs.BoolVar(&f.metricsSecure, "metrics-secure", true,
		"Serve metrics over HTTPS, to those whom the API server authenticates and authorizes.")
	fs.StringVar(&f.metricsCertPath, "metrics-cert-path", "",
		"Folder of the metrics endpoint's certificate; a self-signed one where empty.")
	fs.StringVar(&f.metricsCertName, "metrics-cert-name", "tls.crt", "File of the metrics endpoint's certificate.")
	fs.StringVar(&f.metricsCertKey, "metrics-cert-key", "tls.key", "File of the metrics endpoint's key.")
	fs.BoolVar(&f.enableHTTP2, "enable-http2", false, "Serve metrics over HTTP/2 as well.")
	fs.StringVar(&f.probeAddr, "health-probe-bind-address", ":8081",
		"Address of the probes /healthz and /readyz; 0 for none.")
	fs.StringVar(&f.pprofAddr, "pprof-bind-address", "",
		"Address of /debug/pprof, such as 127.0.0.1:8082, without authentication; empty for none. Profiles of memory "+
			"may hold tokens.")
	fs.BoolVar(&f.leaderElect, "leader-elect", false,
		"Let only one of several processes work, by a lease in the operator's namespace.")
	fs.StringVar(&f.operatorNamespace, "operator-namespace", "",
		"The operator's own namespace, where the credential Secrets and the lease are. Default: $POD_NAMESPACE, else "+
			"that of the pod's service account.")
	fs.IntVar(&f.accountWorkers, "vonage-account-concurrency", 4, "How many VonageAccounts are checked at once.")
	fs.IntVar(&f.roomWorkers, "meeting-room-concurrency", 64,
		"How many MeetingRooms are worked on at once; workers mostly wait.")
	fs.IntVar(&f.setWorkers, "breakout-set-concurrency", 16, "How many BreakoutSets are worked on at once.")
	fs.IntVar(&f.signalWorkers, "room-signal-concurrency", 8, "How many RoomSignals are worked on at once.")
	f.zap.BindFlags(fs)
	return f
}

// managerOptions are the controllers' own, with what the flags say.
func managerOptions(f *flags, namespace string) ctrl.Options {
	o := controller.ManagerOptions(namespace)
	o.Metrics = metricsOptions(f)
	o.HealthProbeBindAddress = f.probeAddr
	o.PprofBindAddress = f.pprofAddr
	o.LeaderElection = f.leaderElect
	o.LeaderElectionID = leaderElectionID
	o.LeaderElectionNamespace = namespace
	// Safe since main returns as soon as the manager has stopped, with all workers.
	o.LeaderElectionReleaseOnCancel = true
	o.RetryPeriod, o.GracefulShutdownTimeout = new(leaseRetry), new(shutdownTimeout)
	return o
}

func metricsOptions(f *flags) metricsserver.Options {
	o := metricsserver.Options{
		BindAddress:   f.metricsAddr,
		SecureServing: f.metricsSecure,
		CertDir:       f.metricsCertPath,
		CertName:      f.metricsCertName,
		KeyName:       f.metricsCertKey,
	}
	if f.metricsSecure {
		o.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	if !f.enableHTTP2 {
		// HTTP/2 lets strangers make the server work: CVE-2023-44487, CVE-2023-39325.
		o.TLSOpts = append(o.TLSOpts, func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })
	}
	return o
}

// operatorNamespace is the operator's own namespace: as the flag says, or the environment, or the pod's service
// account.
func operatorNamespace(flagged string) (string, error) {
	if flagged != "" {
		return flagged, nil
	}
	if ns := os.Getenv("POD_NAMESPACE"); ns != "" {
		return ns, nil
	}
	content, err := os.ReadFile(namespaceFile)
	if errors.Is(err, os.ErrNotExist) {
		return "", errors.New("the operator's namespace is not known: set --operator-namespace or POD_NAMESPACE")
	}
	if err != nil {
		return "", fmt.Errorf("finding the operator's namespace: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

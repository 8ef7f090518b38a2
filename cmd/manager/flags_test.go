// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"io"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func parse(t *testing.T, args ...string) *flags {
	t.Helper()
	fs := flag.NewFlagSet("manager", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	f := bindFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestOperatorNamespace(t *testing.T) {
	tests := map[string]struct {
		flagged, env, want string
	}{
		"flag":        {flagged: "flagged", env: "of-pod", want: "flagged"},
		"environment": {env: "of-pod", want: "of-pod"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("POD_NAMESPACE", tc.env)
			got, err := operatorNamespace(tc.flagged)
			if err != nil || got != tc.want {
				t.Errorf("got %q and %v, want %q", got, err, tc.want)
			}
		})
	}
}

func TestManagerOptions(t *testing.T) {
	o := managerOptions(parse(t, "--leader-elect", "--metrics-bind-address=:8443"), "operator")
	if !o.LeaderElection || o.LeaderElectionNamespace != "operator" || o.LeaderElectionID != leaderElectionID ||
		!o.LeaderElectionReleaseOnCancel {
		t.Errorf("leader election: %t in %q as %q, released %t", o.LeaderElection, o.LeaderElectionNamespace,
			o.LeaderElectionID, o.LeaderElectionReleaseOnCancel)
	}
	if !o.Metrics.SecureServing || o.Metrics.FilterProvider == nil || len(o.Metrics.TLSOpts) != 1 {
		t.Error("metrics are served to everybody, or over HTTP/2")
	}
	secretsOnlyThere := false
	for kind, by := range o.Cache.ByObject {
		if _, ok := kind.(*corev1.Secret); ok {
			_, here := by.Namespaces["operator"]
			secretsOnlyThere = here && len(by.Namespaces) == 1
		}
	}
	if !secretsOnlyThere {
		t.Error("Secrets of other namespaces would be cached")
	}
	if o = managerOptions(
		parse(t, "--metrics-secure=false", "--enable-http2"), "operator",
	); o.Metrics.FilterProvider != nil || len(o.Metrics.TLSOpts) != 0 {
		t.Error("flags for plain metrics have no effect")
	}
}

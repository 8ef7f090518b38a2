// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sandbox"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

func TestWithoutWorkloads(t *testing.T) {
	var objects []*unstructured.Unstructured
	for _, kind := range []string{
		"Namespace", "CustomResourceDefinition", "ServiceAccount", "ClusterRole", "Service", "Deployment",
		"RoleBinding",
	} {
		objects = append(objects, &unstructured.Unstructured{Object: map[string]any{"kind": kind}})
	}
	var got []string
	for _, o := range withoutWorkloads(objects) {
		got = append(got, o.GetKind())
	}
	if diff := cmp.Diff([]string{"Namespace", "ServiceAccount", "ClusterRole", "RoleBinding"}, got); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

// folder fills a folder of an environment with what is in it after a run.
func folder(t *testing.T, e *Environment) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(e.Dir, "etcd", "member"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"operator.log", "audit.log", "kubeconfig", "ca.key", "manager", filepath.Join("etcd", "wal.log"),
	} {
		if err := os.WriteFile(filepath.Join(e.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// operator is a process in the operator's place.
func operator(t *testing.T) *sandbox.Process {
	t.Helper()
	p, err := sandbox.StartProcess(sandbox.Command{Path: "/bin/true", Log: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStopRemovesWhatIsTemporary(t *testing.T) {
	e := &Environment{}
	if err := e.makeDir(""); err != nil {
		t.Fatal(err)
	}
	folder(t, e)
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(e.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", e.Dir, err)
	}
}

func TestStopLeavesAFolderThatSomebodyNamed(t *testing.T) {
	e := &Environment{}
	if err := e.makeDir(filepath.Join(t.TempDir(), "mine")); err != nil {
		t.Fatal(err)
	}
	folder(t, e)
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(e.Kubeconfig); err != nil {
		t.Error(err)
	}
}

func TestStopAfterAFailureKeepsOnlyLogs(t *testing.T) {
	e := &Environment{Dir: t.TempDir(), ownsDir: true, Operator: operator(t)}
	folder(t, e)
	err := e.StopAfter(t.Context(), errors.New("it failed"))
	if err == nil || !strings.Contains(err.Error(), "it failed\nThe logs are kept in "+e.Dir) {
		t.Errorf("error %v, want the failure and where the logs are", err)
	}
	entries, err := os.ReadDir(e.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if diff := cmp.Diff([]string{"audit.log", "operator.log"}, left); diff != "" {
		t.Errorf("left in the folder (-want +got):\n%s", diff)
	}
}

func TestStopAfterAnInterruptKeepsNothing(t *testing.T) {
	e := &Environment{Dir: t.TempDir(), ownsDir: true, Operator: operator(t)}
	folder(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.StopAfter(ctx, ctx.Err()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that it was cancelled", err)
	}
	if _, err := os.Stat(e.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", e.Dir, err)
	}
}

// testVendor starts the simulated vendor.
func testVendor(t *testing.T) *Vendor {
	t.Helper()
	v, err := StartVendor(t.Context(), VendorOptions{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Stop(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func TestVendorServesItsPageAtTheAccountsEndpoint(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, testVendor(t).Account().Spec.Endpoint,
		http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %s", resp.Status)
	}
}

func TestVendorAcceptsTheAccountsCredentials(t *testing.T) {
	v := testVendor(t)
	va := v.Account()
	key := v.Credentials().Data[v1alpha1.PrivateKeySecretKey]
	credentials, err := vonage.NewCredentials(vonage.Unified, va.Spec.ProjectID, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := vonage.NewClient(credentials, vonage.WithEndpoint(va.Spec.Endpoint))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateSession(t.Context(), vonage.SessionOptions{}); err != nil {
		t.Error(err)
	}
}

func TestVendorSaysWhenItsAddressIsTaken(t *testing.T) {
	v := testVendor(t)
	if _, err := StartVendor(t.Context(), VendorOptions{Address: strings.TrimPrefix(v.URL, "http://")}); err == nil {
		t.Error("no error")
	}
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

func TestWithoutWorkloads(t *testing.T) {
	var objects []*unstructured.Unstructured
	for _, kind := range []string{"Namespace", "CustomResourceDefinition", "ServiceAccount", "ClusterRole", "Service", "Deployment", "RoleBinding"} {
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
func folder(t *testing.T, e *environment) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(e.dir, "etcd", "member"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"operator.log", "audit.log", "kubeconfig", "ca.key", "manager", filepath.Join("etcd", "wal.log")} {
		if err := os.WriteFile(filepath.Join(e.dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStopRemovesWhatIsTemporary(t *testing.T) {
	e := &environment{}
	if err := e.makeDir(""); err != nil {
		t.Fatal(err)
	}
	folder(t, e)
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(e.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", e.dir, err)
	}
}

func TestStopLeavesAFolderThatSomebodyNamed(t *testing.T) {
	e := &environment{}
	if err := e.makeDir(filepath.Join(t.TempDir(), "mine")); err != nil {
		t.Fatal(err)
	}
	folder(t, e)
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(e.kubeconfig); err != nil {
		t.Error(err)
	}
}

func TestStopAfterAFailureKeepsOnlyLogs(t *testing.T) {
	e := &environment{dir: t.TempDir(), ownsDir: true, operator: script(t, "exit")}
	folder(t, e)
	err := e.stopAfter(t.Context(), errors.New("it failed"))
	if err == nil || !strings.Contains(err.Error(), "it failed\nThe logs are kept in "+e.dir) {
		t.Errorf("error %v, want the failure and where the logs are", err)
	}
	entries, err := os.ReadDir(e.dir)
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
	e := &environment{dir: t.TempDir(), ownsDir: true, operator: script(t, "exit")}
	folder(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.stopAfter(ctx, ctx.Err()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that it was cancelled", err)
	}
	if _, err := os.Stat(e.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", e.dir, err)
	}
}

func TestPoll(t *testing.T) {
	calls := 0
	err := poll(t.Context(), time.Minute, func(context.Context) (bool, error) { calls++; return calls == 2, nil })
	if err != nil || calls != 2 {
		t.Errorf("error %v after %d calls, want none after 2", err, calls)
	}
	wantErr := errors.New("no")
	if err := poll(t.Context(), time.Minute, func(context.Context) (bool, error) { return false, wantErr }); !errors.Is(err, wantErr) {
		t.Errorf("error %v, want %v", err, wantErr)
	}
	if err := poll(t.Context(), 0, func(context.Context) (bool, error) { return false, nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that the time is over", err)
	}
}

// testVonage starts the simulated vendor, and returns credentials of its project as the operator would read them.
func testVonage(t *testing.T) (*vendor, vonage.Credentials) {
	t.Helper()
	v, err := startVonage(t.Context(), "127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.stop(); err != nil {
			t.Error(err)
		}
	})
	creds, err := vonage.NewCredentials(vonage.Unified, v.account().Spec.ProjectID, v.credentials().Data["private-key"])
	if err != nil {
		t.Fatal(err)
	}
	return v, creds
}

func TestVonageServesItsPageAtTheAccountsEndpoint(t *testing.T) {
	v, _ := testVonage(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.account().Spec.Endpoint, http.NoBody)
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

func TestVonageSaysWhenItsAddressIsTaken(t *testing.T) {
	v, _ := testVonage(t)
	if _, err := startVonage(t.Context(), strings.TrimPrefix(v.url, "http://"), t.TempDir()); err == nil {
		t.Error("no error")
	}
}

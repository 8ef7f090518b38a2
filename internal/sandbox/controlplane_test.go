// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

var things = schema.GroupVersionResource{Group: "sandbox.example.org", Version: "v1", Resource: "things"}

// eventually polls until there is an answer of true; timeout only ends a test that has failed.
func eventually(t *testing.T, what string, condition func(context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, condition); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func mustClients(t *testing.T, cfg *rest.Config) *kubernetes.Clientset {
	t.Helper()
	clients, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

func mustDynamic(t *testing.T, cfg *rest.Config) dynamic.Interface {
	t.Helper()
	objects, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// TestControlPlane shares one control plane among its parts, which use a namespace each.
func TestControlPlane(t *testing.T) {
	cp, err := Start(t.Context(), Options{CRDs: []string{filepath.Join("testdata", "crd.yaml")}, Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	dir := cp.Dir()
	t.Cleanup(func() {
		if err := cp.Stop(); err != nil {
			t.Error(err)
		}
		if err := cp.Stop(); err != nil {
			t.Errorf("a second Stop: %v", err)
		}
		for _, p := range []*Process{cp.etcd, cp.apiServer, cp.controllers} {
			if !p.Ended() {
				t.Errorf("%s still runs after Stop", p.name)
			}
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("Stop left %s behind (%v)", dir, err)
		}
	})
	clients := mustClients(t, cp.Config())

	t.Run("version", func(t *testing.T) {
		version, err := clients.Discovery().ServerVersion()
		if err != nil {
			t.Fatal(err)
		}
		root, err := ModuleRoot()
		if err != nil {
			t.Fatal(err)
		}
		want, err := kubernetesVersion(filepath.Join(root, "hack", "controlplane", "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if minorVersion(version.GitVersion) != minorVersion(want) {
			t.Errorf("the API server calls itself %s, want %s", version.GitVersion, want)
		}
	})

	t.Run("garbage collection", func(t *testing.T) {
		testGarbageCollection(t, cp, things, makeNamespace(t, clients, "garbage"))
	})

	t.Run("garbage collection of a kind that comes later", func(t *testing.T) {
		text, err := os.ReadFile(filepath.Join("testdata", "crd.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "crd.yaml")
		later := schema.GroupVersionResource{
			Group: "later.example.org", Version: things.Version, Resource: things.Resource,
		}
		text = bytes.ReplaceAll(text, []byte(things.Group), []byte(later.Group))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ApplyManifests(t.Context(), cp.Config(), path); err != nil {
			t.Fatal(err)
		}
		testGarbageCollection(t, cp, later, makeNamespace(t, clients, "later"))
	})

	t.Run("the end of a namespace", func(t *testing.T) {
		objects := mustDynamic(t, cp.Config())
		namespace := makeNamespace(t, clients, "end")
		if _, err := objects.Resource(things).Namespace(namespace).Create(
			t.Context(), thing("rest", nil), metav1.CreateOptions{},
		); err != nil {
			t.Fatal(err)
		}
		grantConfigMaps(t, clients, namespace, "rest")
		removeNamespace(t, clients, namespace)
		makeNamespace(t, clients, namespace)
		left, err := objects.Resource(things).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(left.Items) > 0 {
			t.Errorf("after the end of their namespace there are %v", left.Items)
		}
		_, err = clients.CoreV1().ServiceAccounts(namespace).Get(t.Context(), "rest", metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			t.Errorf("after the end of its namespace there is a ServiceAccount (%v)", err)
		}
	})

	t.Run("a ServiceAccount has its own rights only", func(t *testing.T) {
		namespace := makeNamespace(t, clients, "rights")
		if _, err := cp.ServiceAccountConfig(t.Context(), namespace, "operator"); err == nil {
			t.Fatal("got a configuration for a ServiceAccount that does not exist")
		}
		grantConfigMaps(t, clients, namespace, "operator")
		cfg, err := cp.ServiceAccountConfig(t.Context(), namespace, "operator")
		if err != nil {
			t.Fatal(err)
		}
		kubeconfig := filepath.Join(t.TempDir(), "new", "kubeconfig")
		if err := cp.ServiceAccountKubeconfig(t.Context(), namespace, "operator", kubeconfig); err != nil {
			t.Fatal(err)
		}
		fromFile, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		for name, cfg := range map[string]*rest.Config{"config": cfg, "kubeconfig": fromFile} {
			limited := mustClients(t, cfg)
			if _, err := limited.CoreV1().ConfigMaps(namespace).List(t.Context(), metav1.ListOptions{}); err != nil {
				t.Errorf("%s: list ConfigMaps, which is granted: %v", name, err)
			}
			_, err := limited.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
			if !apierrors.IsForbidden(err) ||
				!strings.Contains(err.Error(), "system:serviceaccount:"+namespace+":operator") {
				t.Errorf("%s: list Secrets, which is not granted: %v, want Forbidden for the ServiceAccount", name, err)
			}
			if _, err := limited.CoreV1().ConfigMaps("default").List(
				t.Context(), metav1.ListOptions{},
			); !apierrors.IsForbidden(err) {
				t.Errorf("%s: list ConfigMaps of another namespace: %v, want Forbidden", name, err)
			}
		}
	})

	t.Run("manifests", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "objects.yaml")
		const text = `# a comment alone
---
apiVersion: v1
kind: Namespace
metadata: {name: manifests}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: one, namespace: manifests}, data: {key: VALUE}}
- {apiVersion: sandbox.example.org/v1, kind: Thing, metadata: {name: two}, spec: {count: 9007199254740993}}
---
`
		var got []string
		for _, value := range []string{"first", "second"} {
			if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "VALUE", value)), 0o600); err != nil {
				t.Fatal(err)
			}
			objects, err := ApplyManifests(t.Context(), cp.Config(), path)
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range objects {
				got = append(got, fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName()))
				if count, found, _ := unstructured.NestedInt64(object.Object, "spec", "count"); found &&
					count != 9007199254740993 {
					t.Errorf("the number became %d on the way", count)
				}
				if object.GetUID() == "" {
					t.Errorf("%s has no UID: it is not what the API server answered", object.GetName())
				}
			}
		}
		want := []string{"Namespace /manifests", "ConfigMap manifests/one", "Thing default/two"}
		if diff := cmp.Diff(append(want, want...), got); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		stored, err := clients.CoreV1().ConfigMaps("manifests").Get(t.Context(), "one", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"key": "second"}, stored.Data); diff != "" {
			t.Errorf("data after the second time (-want +got):\n%s", diff)
		}
	})

	t.Run("an installation", func(t *testing.T) { testInstallation(t, cp, clients) })

	t.Run("a restart of the API server", func(t *testing.T) {
		namespace := makeNamespace(t, clients, "restart")
		grantConfigMaps(t, clients, namespace, "operator")
		kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
		if err := cp.Kubeconfig(kubeconfig); err != nil {
			t.Fatal(err)
		}
		cfg, err := cp.ServiceAccountConfig(t.Context(), namespace, "operator")
		if err != nil {
			t.Fatal(err)
		}
		limited := mustClients(t, cfg)

		cp.StopAPIServer()
		if _, err := clients.Discovery().ServerVersion(); err == nil {
			t.Fatal("the API server answers although it was stopped")
		}
		if err := cp.StartAPIServer(t.Context()); err != nil {
			t.Fatal(err)
		}

		if _, err := clients.CoreV1().Namespaces().Get(t.Context(), namespace, metav1.GetOptions{}); err != nil {
			t.Errorf("the data of before: %v", err)
		}
		if _, err := limited.CoreV1().ConfigMaps(namespace).List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Errorf("the ServiceAccount's token of before: %v", err)
		}
		fromFile, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mustClients(t, fromFile).CoreV1().Namespaces().Get(
			t.Context(), namespace, metav1.GetOptions{},
		); err != nil {
			t.Errorf("the kubeconfig of before: %v", err)
		}
		// The controllers go on, too.
		removeNamespace(t, clients, namespace)
	})
}

func TestStartSaysWhyAProgramFails(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "etcd")
	if err := os.WriteFile(
		broken, []byte("#!/bin/sh\necho cannot open the data folder >&2\nexit 3\n"), 0o755,
	); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	binaries := Binaries{Etcd: broken, APIServer: broken, Controllers: broken}
	_, err := Start(t.Context(), Options{Dir: dir, Binaries: binaries})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") ||
		!strings.Contains(err.Error(), "cannot open the data folder") {
		t.Errorf("Start() error = %v, want the exit status and the end of the log", err)
	}
}

func TestControllersSayWhyTheyCannotWork(t *testing.T) {
	binaries, err := Assets(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	nobody := &ControlPlane{config: &rest.Config{Host: "https://127.0.0.1:1"}, creds: &credentials{}}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := nobody.Kubeconfig(kubeconfig); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ flag, want string }{
		"no kubeconfig named":             {"-v=2", "--kubeconfig is missing"},
		"no such kubeconfig":              {"--kubeconfig=" + filepath.Join(dir, "other"), "no such file"},
		"an API server that is not there": {"--kubeconfig=" + kubeconfig, "ask the API server https://127.0.0.1:1"},
		"a flag that it does not know":    {"--leader-elect=false", "leader-elect"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), binaries.Controllers, tc.flag).CombinedOutput()
			failed, ok := errors.AsType[*exec.ExitError](err)
			if !ok || failed.ExitCode() <= 0 || !strings.Contains(string(out), tc.want) {
				t.Errorf("it ended with %v and said\n%s\nwant a failure and %q", err, out, tc.want)
			}
		})
	}
}

// collectionTime is how soon what nobody owns any more must be gone: seconds, with room for a machine that has
// much to do.
const collectionTime = 20 * time.Second

// testGarbageCollection makes an object that belongs to another, and deletes the other.
func testGarbageCollection(t *testing.T, cp *ControlPlane, kind schema.GroupVersionResource, namespace string) {
	objects := mustDynamic(t, cp.Config()).Resource(kind).Namespace(namespace)
	owner := thing("owner", nil)
	owner.SetAPIVersion(kind.GroupVersion().String())
	owner, err := objects.Create(t.Context(), owner, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	child := thing("child", owner)
	child.SetAPIVersion(owner.GetAPIVersion())
	if _, err := objects.Create(t.Context(), child, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := objects.Delete(t.Context(), "owner", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	deleted := time.Now()
	eventually(t, "the owner is gone, but not its child", func(ctx context.Context) (bool, error) {
		_, err := objects.Get(ctx, "child", metav1.GetOptions{})
		return apierrors.IsNotFound(err), ignoreNotFound(err)
	})
	if took := time.Since(deleted); took > collectionTime {
		t.Errorf("the child went %s after its owner, want at most %s", took, collectionTime)
	} else {
		t.Logf("the child went %s after its owner", took)
	}
}

// removeNamespace deletes a namespace and waits until it is gone.
func removeNamespace(t *testing.T, clients kubernetes.Interface, name string) {
	t.Helper()
	if err := clients.CoreV1().Namespaces().Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	deleted := time.Now()
	eventually(t, "the namespace does not go away", func(ctx context.Context) (bool, error) {
		_, err := clients.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), ignoreNotFound(err)
	})
	t.Logf("the namespace went %s after it was deleted", time.Since(deleted))
}

// makeNamespace makes a namespace.
func makeNamespace(t *testing.T, clients kubernetes.Interface, name string) string {
	t.Helper()
	_, err := clients.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// grantConfigMaps makes a ServiceAccount that may list the ConfigMaps of its namespace.
func grantConfigMaps(t *testing.T, clients kubernetes.Interface, namespace, name string) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: name, Namespace: namespace}
	if _, err := clients.CoreV1().ServiceAccounts(namespace).Create(
		t.Context(), &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{},
	); err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.Role{
		ObjectMeta: meta,
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list"},
		}},
	}
	if _, err := clients.RbacV1().Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: name, Namespace: namespace}},
	}
	if _, err := clients.RbacV1().RoleBindings(namespace).Create(
		t.Context(), binding, metav1.CreateOptions{},
	); err != nil {
		t.Fatal(err)
	}
	waitUntilAllowed(t, clients, access{
		"system:serviceaccount:" + namespace + ":" + name, namespace, "list", "", "configmaps",
	})
}

func thing(name string, owner *unstructured.Unstructured) *unstructured.Unstructured {
	t := &unstructured.Unstructured{}
	t.SetAPIVersion("sandbox.example.org/v1")
	t.SetKind("Thing")
	t.SetName(name)
	if owner != nil {
		t.SetOwnerReferences([]metav1.OwnerReference{{
			APIVersion: owner.GetAPIVersion(), Kind: owner.GetKind(), Name: owner.GetName(), UID: owner.GetUID(),
		}})
	}
	return t
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

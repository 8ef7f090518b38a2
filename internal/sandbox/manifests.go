// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// fieldManager owns what ApplyManifests writes.
const fieldManager = "breakout-operator-sandbox"

// ApplyManifests applies the objects at path server-side, in their order, as kubectl would, and returns
// them as the API server answered. path is a YAML file, a folder of YAML files (in the order of their
// names), or a folder with a kustomization.yaml, which the project's pinned kustomize renders. Objects
// without a namespace go to "default". After a CustomResourceDefinition it waits until that is served.
func ApplyManifests(ctx context.Context, cfg *rest.Config, path string) ([]*unstructured.Unstructured, error) {
	objects, err := ReadManifests(ctx, path)
	if err != nil {
		return nil, err
	}
	return objects, ApplyObjects(ctx, cfg, objects)
}

// ApplyObjects applies the objects server-side, in their order, and replaces each by the API server's
// answer. It forces conflicts, and otherwise does what ApplyManifests says.
func ApplyObjects(ctx context.Context, cfg *rest.Config, objects []*unstructured.Unstructured) error {
	c, err := client.New(cfg, client.Options{})
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	for _, object := range objects {
		what := fmt.Sprintf("%s %s", object.GetKind(), object.GetName())
		namespaced, err := c.IsObjectNamespaced(object)
		if err != nil {
			return fmt.Errorf("apply %s: %w", what, err)
		}
		if namespaced && object.GetNamespace() == "" {
			object.SetNamespace("default")
		}
		err = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(fieldManager),
			client.ForceOwnership)
		if err != nil {
			return fmt.Errorf("apply %s: %w", what, err)
		}
		if err := waitUntilServed(cfg, object); err != nil {
			return fmt.Errorf("apply %s: wait until it is served: %w", what, err)
		}
	}
	return nil
}

// waitUntilServed waits for a CustomResourceDefinition, and for nothing else.
func waitUntilServed(cfg *rest.Config, object *unstructured.Unstructured) error {
	if object.GetKind() != "CustomResourceDefinition" {
		return nil
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, crd); err != nil {
		return err
	}
	return envtest.WaitForCRDs(cfg, []*apiextensionsv1.CustomResourceDefinition{crd},
		envtest.CRDInstallOptions{MaxTime: startTimeout, PollInterval: progressPeriod / 100})
}

// ReadManifests returns the objects that ApplyManifests would apply.
func ReadManifests(ctx context.Context, path string) ([]*unstructured.Unstructured, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	if !info.IsDir() {
		return readFiles(path)
	}
	if _, err := os.Stat(filepath.Join(path, "kustomization.yaml")); err == nil {
		return kustomize(ctx, path)
	}
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		matches, err := filepath.Glob(filepath.Join(path, pattern))
		if err != nil {
			return nil, fmt.Errorf("read manifests: %w", err)
		}
		files = append(files, matches...)
	}
	slices.Sort(files)
	return readFiles(files...)
}

func readFiles(paths ...string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read manifests: %w", err)
		}
		more, err := decode(text)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		objects = append(objects, more...)
	}
	return objects, nil
}

// kustomize renders a folder with the version of kustomize that hack/tools pins. It is run rather than
// imported: its packages would more than double what the operator's module depends on.
func kustomize(ctx context.Context, dir string) ([]*unstructured.Unstructured, error) {
	root, err := ModuleRoot()
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("render %s: %w", dir, err)
	}
	cmd := exec.CommandContext(ctx, "go", "tool", "kustomize", "build", dir)
	cmd.Dir = filepath.Join(root, "hack", "tools")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("render %s with kustomize: %w\n%s", dir, err, stderr.Bytes())
	}
	return decode(text)
}

// decode returns the objects of a YAML stream, with lists taken apart.
func decode(text []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		var document runtime.RawExtension
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		if raw := bytes.TrimSpace(document.Raw); len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			continue // nothing but comments
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(document.Raw); err != nil {
			return nil, err
		}
		if !object.IsList() {
			objects = append(objects, object)
			continue
		}
		err := object.EachListItem(func(item runtime.Object) error {
			objects = append(objects, item.(*unstructured.Unstructured))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
}

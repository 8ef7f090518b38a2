// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sandbox"
)

// samplesDir holds the YAML that the demo begins with.
const samplesDir = "config/samples"

// edit does what a person would do with kubectl, and prints that.
type edit func(context.Context, *stage) error

// applySamples applies the objects of one kind from config/samples, as they are there.
func applySamples(kind string) edit {
	return func(ctx context.Context, s *stage) error {
		objects, err := sandbox.ReadManifests(ctx, filepath.Join(s.root, samplesDir))
		if err != nil {
			return err
		}
		objects = slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() != kind })
		if len(objects) == 0 {
			return fmt.Errorf("there is no %s in %s", kind, samplesDir)
		}
		for _, o := range objects {
			s.timeline.at(s.lastNews, "kubectl", "apply %s %s of %s", kind, o.GetName(), samplesDir)
		}
		return sandbox.ApplyObjects(ctx, s.controlPlane.Config(), objects)
	}
}

// patchSet changes the set of the class as kubectl patch --type=merge does with the same YAML. Lists are replaced as a whole.
func patchSet(change string) edit {
	return patch(&v1alpha1.BreakoutSet{}, "breakoutset", setName, change)
}

func patch(object client.Object, kind, name, change string) edit {
	return func(ctx context.Context, s *stage) error {
		body, err := yaml.YAMLToJSON([]byte(change))
		if err != nil {
			return fmt.Errorf("read the scene's YAML: %w", err)
		}
		s.timeline.at(s.lastNews, "kubectl", "patch %s %s --type=merge", kind, name)
		s.timeline.quote(change)
		object.SetNamespace(roomsNamespace)
		object.SetName(name)
		if err := s.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, body)); err != nil {
			return fmt.Errorf("patch %s %s: %w", kind, name, err)
		}
		return nil
	}
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/breakout-operator/breakout-operator/internal/sandbox"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// samplesDir holds the YAML that the demo begins with.
const samplesDir = "config/samples"

// edit does what a person would do with kubectl, and prints that; or in a browser.
type edit func(context.Context, *stage) error

// each does one edit after the other, without waiting in between.
func each(edits ...edit) edit {
	return func(ctx context.Context, s *stage) error {
		for _, e := range edits {
			if err := e(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
}

// byState is an edit that depends on how things are then.
func byState(of func(*stage) (edit, error)) edit {
	return func(ctx context.Context, s *stage) error {
		e, err := of(s)
		if err != nil {
			return err
		}
		return e(ctx, s)
	}
}

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
			s.kubectl("apply %s %s of %s", kind, o.GetName(), samplesDir)
		}
		return sandbox.ApplyObjects(ctx, s.ControlPlane.Config(), objects)
	}
}

// createSample creates the objects of a file below config/samples.
func createSample(file string) edit {
	return func(ctx context.Context, s *stage) error {
		objects, err := sandbox.ReadManifests(ctx, filepath.Join(s.root, samplesDir, file))
		if err != nil {
			return err
		}
		s.kubectl("create -f %s/%s", samplesDir, file)
		for _, o := range objects {
			o.SetNamespace(fixture.Namespace)
			if err := s.Client.Create(ctx, o); err != nil {
				return fmt.Errorf("create %s of %s: %w", o.GetKind(), file, err)
			}
		}
		return nil
	}
}

// create creates an object of YAML that is printed.
func create(text string) edit {
	return func(ctx context.Context, s *stage) error {
		o, err := decode(text)
		if err != nil {
			return err
		}
		s.kubectl("create -f -")
		s.timeline.quote(text)
		if err := s.Client.Create(ctx, o); err != nil {
			return fmt.Errorf("create %s: %w", o.GetKind(), err)
		}
		return nil
	}
}

// apply applies an object of YAML. What is too long to be printed has a summary instead.
func apply(text, summary string) edit {
	return func(ctx context.Context, s *stage) error {
		o, err := decode(text)
		if err != nil {
			return err
		}
		if summary != "" {
			s.kubectl("apply %s %s: %s", o.GetKind(), o.GetName(), summary)
		} else {
			s.kubectl("apply -f -")
			s.timeline.quote(text)
		}
		return sandbox.ApplyObjects(ctx, s.ControlPlane.Config(), []*unstructured.Unstructured{o})
	}
}

func decode(text string) (*unstructured.Unstructured, error) {
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		return nil, fmt.Errorf("read the scene's YAML: %w", err)
	}
	o.SetNamespace(fixture.Namespace)
	return o, nil
}

// patchSet changes the set of the scene as kubectl patch --type=merge does with the same YAML. Lists are replaced as a
// whole.
func patchSet(change string) edit {
	return func(ctx context.Context, s *stage) error {
		return s.patch(ctx, fixture.BreakoutSet(s.set, ""), "breakoutset", "merge", change)
	}
}

// patchRoom changes the meeting room of the scene as kubectl patch --type=json does with the same YAML.
func patchRoom(operations string) edit {
	return func(ctx context.Context, s *stage) error {
		return s.patch(ctx, fixture.MeetingRoom(s.meeting), "meetingroom", "json", operations)
	}
}

func (s *stage) patch(ctx context.Context, object client.Object, kind, patchType, change string) error {
	s.kubectl("patch %s %s --type=%s", kind, object.GetName(), patchType)
	s.timeline.quote(change)
	body, err := yaml.YAMLToJSON([]byte(change))
	if err != nil {
		return fmt.Errorf("read the scene's YAML: %w", err)
	}
	as := types.MergePatchType
	if patchType == "json" {
		as = types.JSONPatchType
	}
	if err := s.Client.Patch(ctx, object, client.RawPatch(as, body)); err != nil {
		return fmt.Errorf("patch %s %s: %w", kind, object.GetName(), err)
	}
	return nil
}

// annotateSet gives an annotation of the scene's set a value, as kubectl annotate does.
func annotateSet(key, value string) edit {
	return func(ctx context.Context, s *stage) error {
		s.kubectl("annotate breakoutset %s --overwrite %s=%s", s.set, key, value)
		body := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, key, value)
		set := fixture.BreakoutSet(s.set, "")
		if err := s.Client.Patch(ctx, set, client.RawPatch(types.MergePatchType, body)); err != nil {
			return fmt.Errorf("annotate breakoutset %s: %w", s.set, err)
		}
		return nil
	}
}

// scaleSet asks for a number of rooms through the scale subresource, as kubectl scale does.
func scaleSet(replicas int32) edit {
	return func(ctx context.Context, s *stage) error {
		s.kubectl("scale breakoutset %s --replicas=%d", s.set, replicas)
		set := fixture.BreakoutSet(s.set, "")
		scale := &autoscalingv1.Scale{ObjectMeta: set.ObjectMeta, Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
		if err := s.Client.SubResource("scale").Update(ctx, set, client.WithSubResourceBody(scale)); err != nil {
			return fmt.Errorf("scale breakoutset %s: %w", s.set, err)
		}
		return nil
	}
}

// deleteMeeting deletes the meeting room of the scene and its set.
func deleteMeeting() edit {
	return func(ctx context.Context, s *stage) error {
		s.kubectl("delete breakoutset/%s meetingroom/%s", s.set, s.meeting)
		for _, o := range []client.Object{fixture.BreakoutSet(s.set, ""), fixture.MeetingRoom(s.meeting)} {
			if err := s.Client.Delete(ctx, o); err != nil {
				return fmt.Errorf("delete %s: %w", o.GetName(), err)
			}
		}
		return nil
	}
}

// join lets everybody on the roster open the page.
func join(_ context.Context, s *stage) error { return s.joinAll() }

// joinBut lets everybody on the roster open the page who is not late.
func joinBut(late string) edit {
	return func(_ context.Context, s *stage) error { return s.joinAll(late) }
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cel

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sandbox"
)

const samples = "../../config/samples"

// TestSamples has the API server check every sample, unknown fields included.
func TestSamples(t *testing.T) {
	var files []string
	err := filepath.WalkDir(samples, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".yaml" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, file := range files {
		objects := readSamples(t, file)
		if len(objects) == 0 {
			t.Errorf("%s has no object", file)
		}
		for _, object := range objects {
			shown[object.GetKind()] = true
			if object.GetKind() != "VonageAccount" {
				object.SetNamespace("default")
			}
			if err := k8s.Create(t.Context(), object, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
				t.Errorf("%s: create %s %s%s: %s", file, object.GetKind(), object.GetName(), object.GetGenerateName(),
					answer(err))
			}
		}
	}
	for _, kind := range kinds {
		if !shown[kind] {
			t.Errorf("no sample has a %s", kind)
		}
	}
}

// TestClassSample holds the class that `kubectl apply -f config/samples` makes to what the demo tells of it.
func TestClassSample(t *testing.T) {
	objects := readSamples(t, samples)
	var got []string
	for _, object := range objects {
		got = append(got, object.GetKind()+" "+object.GetName())
	}
	if diff := cmp.Diff([]string{"MeetingRoom algebra-101", "BreakoutSet groups"}, got); diff != "" {
		t.Fatalf("objects (-want +got):\n%s", diff)
	}
	set, room := &v1alpha1.BreakoutSet{}, &v1alpha1.MeetingRoom{}
	convert(t, objects[0], room)
	convert(t, objects[1], set)
	if set.Spec.MeetingRoomRef.Name != room.Name {
		t.Errorf("the set is of meeting room %s, want %s", set.Spec.MeetingRoomRef.Name, room.Name)
	}
	roles := map[v1alpha1.ParticipantRole]int{}
	for _, participant := range room.Spec.Participants {
		roles[participant.Role]++
	}
	if diff := cmp.Diff(
		map[v1alpha1.ParticipantRole]int{v1alpha1.RoleHost: 1, v1alpha1.RoleCoHost: 1, "": 8}, roles,
	); diff != "" {
		t.Errorf("participants by role (-want +got):\n%s", diff)
	}
	var rooms []string
	for _, breakoutRoom := range set.Spec.Rooms {
		rooms = append(rooms, string(breakoutRoom.Name)+": "+breakoutRoom.DisplayName)
	}
	if diff := cmp.Diff([]string{"red: Red team", "blue: Blue team", "green: Green team"}, rooms); diff != "" {
		t.Errorf("rooms (-want +got):\n%s", diff)
	}
}

// TestKustomizationOfSamples proves that applying with -k makes the same objects as applying with -f.
func TestKustomizationOfSamples(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(samples, "Kustomization"))
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct {
		Resources []string `json:"resources"`
	}
	if err := yaml.Unmarshal(text, &kustomization); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(samples, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	slices.Sort(kustomization.Resources)
	if diff := cmp.Diff(files, kustomization.Resources); diff != "" {
		t.Errorf("resources (-files +listed):\n%s", diff)
	}
}

// readSamples returns the objects of a file, or of a folder's files, as `kubectl apply -f` reads them.
func readSamples(t *testing.T, path string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := sandbox.ReadManifests(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func convert(t *testing.T, from *unstructured.Unstructured, to client.Object) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(from.Object, to); err != nil {
		t.Fatalf("%s: %v", strings.ToLower(from.GetKind()), err)
	}
}

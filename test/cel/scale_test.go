// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cel

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestScale(t *testing.T) {
	// kubectl scale patches, or updates when it is given --current-replicas; autoscalers update.
	patch := func(t *testing.T, set *unstructured.Unstructured) error {
		return k8s.SubResource("scale").Patch(t.Context(), set,
			client.RawPatch(types.MergePatchType, []byte(`{"spec": {"replicas": 7}}`)))
	}
	update := func(t *testing.T, set *unstructured.Unstructured) error {
		scale := &autoscalingv1.Scale{
			ObjectMeta: metav1.ObjectMeta{Name: set.GetName(), Namespace: set.GetNamespace()},
			Spec:       autoscalingv1.ScaleSpec{Replicas: 7},
		}
		return k8s.SubResource("scale").Update(t.Context(), set, client.WithSubResourceBody(scale))
	}
	tests := map[string]struct {
		set   string
		scale func(t *testing.T, set *unstructured.Unstructured) error
		want  string
		// wantSpec is the spec afterwards, but for meetingRoomRef.
		wantSpec string
	}{
		"patch of a set of replicas":    {set: `{replicas: 4}`, scale: patch, wantSpec: `{replicas: 7}`},
		"update of a set of replicas":   {set: `{replicas: 4}`, scale: update, wantSpec: `{replicas: 7}`},
		"patch of a set of no replicas": {set: `{replicas: 0}`, scale: patch, wantSpec: `{replicas: 7}`},
		"patch of a set of neither":     {set: `{}`, scale: patch, wantSpec: `{replicas: 7}`},
		"update of a set of neither":    {set: `{}`, scale: update, wantSpec: `{replicas: 7}`},
		"patch of a set of named rooms": {
			set: `{rooms: [{name: red}]}`, scale: patch, want: roomsOrReplicas, wantSpec: `{rooms: [{name: red}]}`,
		},
		"update of a set of named rooms": {
			set: `{rooms: [{name: red}]}`, scale: update, want: roomsOrReplicas, wantSpec: `{rooms: [{name: red}]}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := decode(t, tt.set)
			spec["meetingRoomRef"] = map[string]any{"name": "algebra-101"}
			set := newObject("breakoutsets", map[string]any{"spec": spec})
			if err := k8s.Create(t.Context(), set); err != nil {
				t.Fatal(err)
			}
			if got := answer(tt.scale(t, set.DeepCopy())); got != tt.want {
				t.Errorf("the answer is\n%s\nwant\n%s", got, tt.want)
			}
			if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(set), set); err != nil {
				t.Fatal(err)
			}
			got := set.Object["spec"].(map[string]any)
			delete(got, "meetingRoomRef")
			if diff := cmp.Diff(decode(t, tt.wantSpec), got); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
		})
	}
}

// TestScaleShowsStatus proves that the scale subresource shows how many rooms there are.
func TestScaleShowsStatus(t *testing.T) {
	set := newObject("breakoutsets", decode(t, `{spec: {meetingRoomRef: {name: algebra-101}, replicas: 4}}`))
	if err := k8s.Create(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"status": {"replicas": 3}}`))
	if err := k8s.Status().Patch(t.Context(), set, patch); err != nil {
		t.Fatal(err)
	}
	scale := &unstructured.Unstructured{}
	scale.SetGroupVersionKind(autoscalingv1.SchemeGroupVersion.WithKind("Scale"))
	if err := k8s.SubResource("scale").Get(t.Context(), set, scale); err != nil {
		t.Fatal(err)
	}
	got := map[string]any{"spec": scale.Object["spec"], "status": scale.Object["status"]}
	if diff := cmp.Diff(decode(t, `{spec: {replicas: 4}, status: {replicas: 3}}`), got); diff != "" {
		t.Errorf("scale (-want +got):\n%s", diff)
	}
}

// TestDefaults proves what the API server adds to an object: nothing but an empty spec, where a kind can do without
// one, and a status that says that nobody has seen the object yet. So kstatus takes no new object for a ready one.
func TestDefaults(t *testing.T) {
	for resource, fields := range map[string]string{
		"vonageaccounts": basic["vonageaccounts"],
		"meetingrooms":   `{}`,
		"breakoutsets":   basic["breakoutsets"],
		"roomsignals":    basic["roomsignals"],
	} {
		t.Run(resource, func(t *testing.T) {
			want := decode(t, fields)
			if want["spec"] == nil {
				want["spec"] = map[string]any{}
			}
			want["status"] = map[string]any{"observedGeneration": int64(-1)}
			object := newObject(resource, decode(t, fields))
			if err := k8s.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			got := map[string]any{"spec": object.Object["spec"], "status": object.Object["status"]}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("new object (-want +got):\n%s", diff)
			}
			// A status in the manifest, as in a backup, is not taken over.
			object = newObject(resource, decode(t, fields))
			object.Object["status"] = map[string]any{"observedGeneration": int64(7)}
			if err := k8s.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want["status"], object.Object["status"]); diff != "" {
				t.Errorf("status of a new object whose manifest has one (-want +got):\n%s", diff)
			}
		})
	}
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

func TestSummarise(t *testing.T) {
	earlier := metav1.NewTime(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	now := time.Date(2026, 11, 23, 9, 30, 0, 999, time.UTC)
	later := metav1.NewTime(now.Truncate(time.Second))
	condition := func(
		typ string, status metav1.ConditionStatus, reason, message string, generation int64, at metav1.Time,
	) metav1.Condition {
		return metav1.Condition{
			Type: typ, Status: status, Reason: reason, Message: message, ObservedGeneration: generation,
			LastTransitionTime: at,
		}
	}
	tests := map[string]struct {
		before []metav1.Condition
		ready  verdict
		want   []metav1.Condition
	}{
		"first visit, at work": {
			ready: underWay("Working", "wait"),
			want: []metav1.Condition{
				condition("Ready", "False", "Working", "wait", 7, later),
				condition("Reconciling", "True", "Working", "wait", 7, later),
			},
		},
		"at work, then stalled": {
			before: []metav1.Condition{
				condition("Ready", "False", "Working", "wait", 6, earlier),
				condition("Reconciling", "True", "Working", "wait", 6, earlier),
			},
			ready: stalled("Wrong", "change it"),
			want: []metav1.Condition{
				condition("Ready", "False", "Wrong", "change it", 7, earlier),
				condition("Stalled", "True", "Wrong", "change it", 7, later),
			},
		},
		"stalled, then well": {
			before: []metav1.Condition{
				condition("Ready", "False", "Wrong", "change it", 7, earlier),
				condition("Stalled", "True", "Wrong", "change it", 7, earlier),
			},
			ready: achieved("Well", "all is well"),
			want:  []metav1.Condition{condition("Ready", "True", "Well", "all is well", 7, later)},
		},
		"well still: nothing moves but the generation": {
			before: []metav1.Condition{condition("Ready", "True", "Well", "all is well", 6, earlier)},
			ready:  achieved("Well", "all is well"),
			want:   []metav1.Condition{condition("Ready", "True", "Well", "all is well", 7, earlier)},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			room := &v1alpha1.MeetingRoom{}
			room.Generation = 7
			room.Status.Conditions = tc.before
			summarise(room, tc.ready, now)
			if diff := cmp.Diff(tc.want, room.Status.Conditions); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTruncate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, most := rapid.String().Draw(t, "text"), rapid.IntRange(3, 60).Draw(t, "most")
		got := truncate(text, most)
		switch {
		case len(got) > most:
			t.Fatalf("%d bytes, want at most %d", len(got), most)
		case len(text) <= most && got != text:
			t.Fatalf("got %q, want all of %q", got, text)
		case len(text) > most &&
			(!strings.HasSuffix(got, "…") || !strings.HasPrefix(text, strings.TrimSuffix(got, "…"))):
			t.Fatalf("got %q, want a beginning of %q", got, text)
		case !utf8.ValidString(got):
			t.Fatalf("%q is not UTF-8", got)
		}
	})
}

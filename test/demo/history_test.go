// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

func TestHistory(t *testing.T) {
	room := func(version string, people ...v1alpha1.ParticipantName) *v1alpha1.MeetingRoom {
		r := &v1alpha1.MeetingRoom{ObjectMeta: metav1.ObjectMeta{Name: "red", ResourceVersion: version}}
		for _, p := range people {
			r.Status.Tokens = append(r.Status.Tokens, v1alpha1.ParticipantToken{Participant: p})
		}
		return r
	}
	set := func(version string, revision int64) *v1alpha1.BreakoutSet {
		b := &v1alpha1.BreakoutSet{ObjectMeta: metav1.ObjectMeta{UID: "u", ResourceVersion: version}}
		b.Status.Signals.Revision = revision
		return b
	}
	h := newHistory()
	h.atRoom(watch.Added, room("8"))
	h.atSet(set("9", 100))
	h.atRoom(watch.Modified, room("10", "Ada"))
	h.atSet(set("11", 200))
	h.atSet(set("30", 200)) // delivered by now
	h.atRoom(watch.Modified, room("12", "Ada", "Bo"))
	tests := map[string]struct {
		name     string
		revision int64
		want     bool
	}{
		"the token came first":    {"Ada", 200, true},
		"the plan came first":     {"Ada", 100, false},
		"a later token than plan": {"Bo", 200, false},
		"no token":                {"Cy", 200, false},
		"a repetition":            {"Ada", 202, true},
		"an earlier one":          {"Ada", 102, false},
		"no plan":                 {"Ada", 99, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := h.published("red", tt.name, plan{"u", tt.revision}); got != tt.want {
				t.Errorf("published %t, want %t", got, tt.want)
			}
		})
	}

	h.atRoom(watch.Modified, room("13", "Bo"))
	h.atRoom(watch.Modified, room("14", "Ada", "Bo"))
	if h.published("red", "Ada", plan{"u", 200}) {
		t.Error("a token that was gone in between counts from before")
	}
	h.atSet(set("15", 400))
	h.atRoom(watch.Deleted, room("16", "Bo"))
	if h.published("red", "Bo", plan{"u", 400}) {
		t.Error("a room that is gone has tokens")
	}
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

func TestMemory(t *testing.T) {
	m := newMemory[int]()
	room := &v1alpha1.MeetingRoom{}
	room.Name, room.UID = "room", "a"
	if m.peek(room) != nil {
		t.Error("something is remembered from the start")
	}
	*m.of(room) = 7
	if got := m.peek(room); got == nil || *got != 7 {
		t.Errorf("peek() = %v, want 7", got)
	}
	again := room.DeepCopy()
	again.UID = "b"
	if m.peek(again) != nil || *m.of(again) != 0 {
		t.Error("an object made anew has the old one's memory")
	}
	m.forget(client.ObjectKeyFromObject(room))
	if m.peek(again) != nil {
		t.Error("something is remembered after forget")
	}
}

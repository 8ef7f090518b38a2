// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sampleapp

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

func TestRoomSignalTo(t *testing.T) {
	main := breakout.SignalTarget{Name: "main", MeetingRoomName: "algebra", DisplayName: "Algebra", SessionID: "1_main"}
	red := breakout.SignalTarget{
		Name: "red", MeetingRoomName: "groups-red", DisplayName: "Red & co", SessionID: "1_red",
	}
	roster := []v1alpha1.Participant{
		{Name: "Jo", Role: v1alpha1.RoleHost}, {Name: "Co", Role: v1alpha1.RoleCoHost}, {Name: "Ada"},
	}
	for name, tc := range map[string]struct {
		spec v1alpha1.RoomSignalSpec
		to   breakout.SignalTarget
		want Signal
	}{
		"a message to the main room": {
			spec: v1alpha1.RoomSignalSpec{Message: &v1alpha1.Message{From: "Jo", Text: `Five minutes "left"`}}, to: main,
			want: Signal{TypeMessage, `{"id":"5e8a","sender":{"id":"Jo","name":"Jo","role":"moderator","isCohost":false},` +
				`"text":"Five minutes \"left\"","isApproved":true,"fromRoomName":"Algebra","toBreakoutRoom":null}`},
		},
		"a message to a breakout room, of somebody who is not in the meeting": {
			spec: v1alpha1.RoomSignalSpec{Message: &v1alpha1.Message{From: "Janitor", Text: "Lights out"}}, to: red,
			want: Signal{TypeMessage, `{"id":"5e8a","sender":{"id":"Janitor","name":"Janitor","role":"participant","isCohost":false},` +
				`"text":"Lights out","isApproved":true,"fromRoomName":"Algebra","toBreakoutRoom":"Red & co"}`},
		},
		"a raised hand": {
			spec: v1alpha1.RoomSignalSpec{RaiseHand: &v1alpha1.RaiseHand{Participant: "Co", Room: "red"}}, to: main,
			want: Signal{TypeRaiseHand, `{"id":"5e8a","name":"Co","role":"participant","isCohost":true,` +
				`"fromRoom":{"id":"groups-red","name":"Red & co"}}`},
		},
		"a raised hand in a room that is gone": {
			spec: v1alpha1.RoomSignalSpec{RaiseHand: &v1alpha1.RaiseHand{Participant: "Ada", Room: "gold"}}, to: main,
			want: Signal{TypeRaiseHand, `{"id":"5e8a","name":"Ada","role":"participant","isCohost":false,"fromRoom":{"id":"","name":"gold"}}`},
		},
		"anything else, as it is": {
			spec: v1alpha1.RoomSignalSpec{Custom: &v1alpha1.CustomSignal{Type: "poll", Data: ` { "a" : 1 }`}}, to: red,
			want: Signal{"poll", ` { "a" : 1 }`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			signal := &v1alpha1.RoomSignal{Spec: tc.spec}
			signal.UID = "5e8a"
			got := RoomSignalTo(signal, tc.to, []breakout.SignalTarget{main, red}, roster)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("signal (-want +got):\n%s", diff)
			}
		})
	}
}

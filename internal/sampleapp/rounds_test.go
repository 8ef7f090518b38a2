// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sampleapp

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// A call takes its time: no round is left out because the one before was sent a little late.
func TestRoundsWhenCallsTakeTime(t *testing.T) {
	const call = 7 * time.Millisecond
	st := &v1alpha1.BreakoutSetStatus{
		OpenedAt: &metav1.Time{
			Time: begin,
		},
		MainSessionID:    "main",
		MainDisplayName:  "Class",
		Hosts:            []personName{"Host"},
		MainParticipants: []personName{"Host"},
		Rooms: []v1alpha1.BreakoutRoomStatus{
			{Name: "red", DisplayName: "Red", SessionID: "red", Participants: []personName{"Ada"}},
		},
		Signals: v1alpha1.SignalsStatus{
			Revision: 100, Moving: []personName{"Ada"},
			Sessions: []v1alpha1.SessionSignals{
				{
					Room:     mainRoom,
					Revision: 100,
					Time:     metav1.NewMicroTime(begin),
					Reason:   v1alpha1.RepeatingReason,
					Messages: []v1alpha1.SignalKind{v1alpha1.SignalMoves},
				},
			},
		},
	}
	d := &Delivery{}
	d.Observe(st, begin)
	var sent []string
	for now := begin; ; {
		step, ok, at := d.Next(st, mainRoom, now)
		switch {
		case ok:
			sent = append(sent, fmt.Sprintf("%s %s", now.Sub(begin), step.Kind))
			now = now.Add(call)
			d.Note(st, mainRoom, step, Delivered, "", now)
			continue
		case !at.IsZero():
			now = at
			continue
		}
		break
	}
	want := []string{"10s Moves", "20.007s Moves", "30.014s Rooms"}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

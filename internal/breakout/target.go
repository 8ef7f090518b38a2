// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout

import "github.com/breakout-operator/breakout-operator/api/v1alpha1"

// SignalTarget is a room that a RoomSignal goes to.
type SignalTarget struct {
	// Name is its name within its set, or "main".
	Name v1alpha1.BreakoutRoomName

	// MeetingRoomName, DisplayName and SessionID are its MeetingRoom, its name in browsers, and its session.
	MeetingRoomName, DisplayName, SessionID string
}

// TargetsOf are the rooms of an open set that people can be in, the main room first.
func TargetsOf(set *v1alpha1.BreakoutSet) []SignalTarget {
	targets := []SignalTarget{
		{mainRoom, set.Spec.MeetingRoomRef.Name, set.Status.MainDisplayName, set.Status.MainSessionID},
	}
	for _, r := range Planned(&set.Status).Rooms {
		targets = append(targets, SignalTarget{r.Name, r.MeetingRoomName, r.DisplayName, r.SessionID})
	}
	return targets
}

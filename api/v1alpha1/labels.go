// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Labels, annotations and finalizers of the group. The operator writes none of them on objects that users made, its
// finalizers aside.
const (
	// BreakoutSetLabel is on every child MeetingRoom and holds the name of the BreakoutSet that made it.
	BreakoutSetLabel = "breakout-operator.io/breakout-set"

	// MeetingRoomLabel is on every child MeetingRoom and holds the name of the main MeetingRoom; on a token Secret it
	// holds the UID of its room.
	MeetingRoomLabel = "breakout-operator.io/meeting-room"

	// BreakoutRoomLabel is on every child MeetingRoom and holds the name of the room within its set.
	BreakoutRoomLabel = "breakout-operator.io/breakout-room"

	// DefaultAccountAnnotation, with the value "true", marks the VonageAccount of rooms that name none.
	DefaultAccountAnnotation = "breakout-operator.io/is-default-account"

	// ResendAnnotation on a BreakoutSet, whenever it gets a new value, has everybody sent the present rooms and timer
	// once more. The handled value is in status.lastHandledResend.
	ResendAnnotation = "breakout-operator.io/resend"

	// MeetingRoomFinalizer holds a MeetingRoom until the people in its session are disconnected.
	MeetingRoomFinalizer = "breakout-operator.io/meeting-room"

	// FarewellFinalizer holds a child MeetingRoom until it is drained: its people received the closing notice and had
	// the grace to leave.
	FarewellFinalizer = "breakout-operator.io/farewell"

	// BreakoutSetFinalizer holds a BreakoutSet until everybody received that its rooms close.
	BreakoutSetFinalizer = "breakout-operator.io/breakout-set"
)

// MainRoomName is the name by which placements, signals and status address the main room. No breakout room can have it.
const MainRoomName = "main"

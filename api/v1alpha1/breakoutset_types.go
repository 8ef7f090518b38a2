// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions of a BreakoutSet, beside Ready, Reconciling and Stalled. Ready=True means that the spec is honored now: a
// set that is closed, scheduled, or waits for its turn as it should is Ready as well.
const (
	// OpenCondition is true when the rooms are open and delivered to everybody. Reasons: True: Opened. False: Opening,
	// Closing, Closed, TimeUp, Scheduled, Waiting, Missed, MeetingRoomBusy, and what stands in the way.
	OpenCondition = "Open"

	// SignalsDeliveredCondition is true when the present state was delivered to every session. Reasons: True:
	// Delivered, NothingToSay. False: Delivering, VendorRejected, CredentialsRejected, VendorUnavailable.
	SignalsDeliveredCondition = "SignalsDelivered"

	// PlacementsHonouredCondition is false when the assignment could not do all that was asked; the rooms are open all
	// the same. Reasons: True: PlacementsHonoured. False: UnknownRoom, UnknownParticipant, OverCapacity, NoPlaceLeft,
	// NamesAdjusted.
	PlacementsHonouredCondition = "PlacementsHonoured"
)

// Reasons of a BreakoutSet's conditions, beside those shared by several kinds.
const (
	// OpenedReason, Open=True and Ready=True: the rooms are open and delivered to everybody.
	OpenedReason = "Opened"

	// OpeningReason, Open=False and Ready=False: rooms are being made, or signals are being delivered.
	OpeningReason = "Opening"

	// UpdatingReason, Ready=False: the set is open and an edit is being carried out.
	UpdatingReason = "Updating"

	// ClosingReason, Open=False and Ready=False: people were called back and have the grace to leave.
	ClosingReason = "Closing"

	// ClosedReason, Open=False and Ready=True: the set is closed, as its spec asks.
	ClosedReason = "Closed"

	// TimeUpReason, Open=False and Ready=True: the time is over; a longer durationSeconds re-opens.
	TimeUpReason = "TimeUp"

	// ScheduledReason, Open=False and Ready=True: openAt is still to come.
	ScheduledReason = "Scheduled"

	// WaitingReason, Open=False and Ready=True: openAt has come, and another set of the same meeting room is still
	// open.
	WaitingReason = "Waiting"

	// MissedReason, Open=False and Ready=True: the set was never opened and its time is already over.
	MissedReason = "Missed"

	// MeetingRoomBusyReason, Open=False and Ready=False: another set of the same meeting room is open. This one opens
	// when it is its turn.
	MeetingRoomBusyReason = "MeetingRoomBusy"

	// MeetingRoomIsBreakoutReason: the referenced meeting room is itself a breakout room.
	MeetingRoomIsBreakoutReason = "MeetingRoomIsBreakoutRoom"

	// RoomNameTakenReason: a MeetingRoom of the name that a breakout room needs exists and does not belong to the set.
	RoomNameTakenReason = "RoomNameTaken"

	// TooManyTokensReason: with mode Choose everybody gets a token for every room, and rooms × participants is over
	// 5000.
	TooManyTokensReason = "TooManyTokens"

	// TooManyParticipantsReason: a breakout room would list more than 300 people with tokens.delivery Status.
	TooManyParticipantsReason = "TooManyParticipants"

	// RoomInvalidReason: the API server refuses a breakout room as the template describes it; the message says why.
	RoomInvalidReason = "RoomInvalid"

	// DeliveredReason, SignalsDelivered=True: the present state was delivered to every session, or nobody is in it.
	DeliveredReason = "Delivered"

	// NothingToSayReason, SignalsDelivered=True: there was nothing to send to anybody yet.
	NothingToSayReason = "NothingToSay"

	// DeliveringReason, SignalsDelivered=False: signals are being delivered.
	DeliveringReason = "Delivering"

	// PendingReason and RepeatingReason are reasons of status.signals.sessions: messages are to be sent, or sent again.
	PendingReason   = "Pending"
	RepeatingReason = "Repeating"

	// PlacementsHonouredReason, PlacementsHonoured=True: everybody is where the assignment wants them.
	PlacementsHonouredReason = "PlacementsHonoured"

	// UnknownRoomReason, PlacementsHonoured=False: a placement names a room that the set does not have; it is ignored.
	UnknownRoomReason = "UnknownRoom"

	// UnknownParticipantReason, PlacementsHonoured=False: a placement names somebody who is not a participant of the
	// meeting room; it is ignored.
	UnknownParticipantReason = "UnknownParticipant"

	// OverCapacityReason, PlacementsHonoured=False: more people are placed in a room, or already inside, than it takes;
	// nobody is thrown out.
	OverCapacityReason = "OverCapacity"

	// NoPlaceLeftReason, PlacementsHonoured=False: the rooms are full; status.unassigned names who stays in the main
	// room.
	NoPlaceLeftReason = "NoPlaceLeft"

	// NamesAdjustedReason, PlacementsHonoured=False: rooms with the same displayName, or the main room's, are shown
	// with a number, since browsers tell rooms apart by name.
	NamesAdjustedReason = "NamesAdjusted"
)

// BreakoutSetMode says how people come to a breakout room.
// +kubebuilder:validation:Enum=Automatic;Choose;Manual
type BreakoutSetMode string

const (
	// ModeAutomatic spreads the participants evenly over the rooms.
	ModeAutomatic BreakoutSetMode = "Automatic"

	// ModeChoose lets the participants choose a room.
	ModeChoose BreakoutSetMode = "Choose"

	// ModeManual sends only those somewhere who have a placement.
	ModeManual BreakoutSetMode = "Manual"
)

// DesiredBreakoutState is what the user wants of a set.
// +kubebuilder:validation:Enum=Open;Closed
type DesiredBreakoutState string

const (
	// DesiredOpen wants the rooms open.
	DesiredOpen DesiredBreakoutState = "Open"

	// DesiredClosed wants everybody back in the main room.
	DesiredClosed DesiredBreakoutState = "Closed"
)

// ReturnMode says what happens in the browsers when time is up.
// +kubebuilder:validation:Enum=Automatic;Manual
type ReturnMode string

const (
	// ReturnAutomatic takes clients back by themselves when the time is up.
	ReturnAutomatic ReturnMode = "Automatic"

	// ReturnManual only shows clients that the time is up; they are called back after the grace.
	ReturnManual ReturnMode = "Manual"
)

// BreakoutRoomName is the name of a room within its set.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=40
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
type BreakoutRoomName string

// BreakoutRoomSpec describes one breakout room.
type BreakoutRoomSpec struct {
	// name is the room's name within the set: a DNS label of at most 40 characters, not "main". Its MeetingRoom is
	// called <set>-<name>. It is the list's key: another name is another room, with another session.
	// +required
	// +kubebuilder:validation:XValidation:rule="self != 'main'",message="main is the main room's name"
	Name BreakoutRoomName `json:"name,omitempty"`

	// displayName is what people see; name by default. 1 to 64 characters, without control characters and without
	// blanks at either end. Browsers tell rooms apart by it: where two are alike, or like the main room's, a number is
	// added and a condition says so. Mutable: a change while the set is open sends `roomEdited`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[^\p{Cc}\p{Z}]([^\p{Cc}\p{Zl}\p{Zp}]*[^\p{Cc}\p{Z}])?$')`,message="displayName has no control characters and no blank at either end"
	DisplayName string `json:"displayName,omitempty"`

	// maxParticipants is how many people mode Automatic puts into the room, and how many browsers let choose it; 0
	// means no limit; spec.maxParticipants by default. Nobody who is inside is thrown out when it shrinks. Mutable: a
	// change while the set is open sends `roomEdited`.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	MaxParticipants *int32 `json:"maxParticipants,omitempty"`
}

// Placement puts one participant into one room.
type Placement struct {
	// participant is the name of a participant of the meeting room. It is the list's key.
	// +required
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[^\p{Cc}\p{Z}]([^\p{Cc}\p{Zl}\p{Zp}]*[^\p{Cc}\p{Z}])?$')`,message="a name has no control characters and no blank at either end"
	Participant ParticipantName `json:"participant,omitempty"`

	// room is the name of a room of the set, or "main" to stay in the main room. Mutable: a change while the set is
	// open moves the participant and sends `participantMoved`.
	// +required
	Room BreakoutRoomName `json:"room,omitempty"`
}

// AssignmentSpec says who goes where.
type AssignmentSpec struct {
	// mode is Automatic (default): participants without a placement are spread evenly, and nobody who has a room is
	// moved again; Choose: they choose in their browser, and everybody gets a token for every room; or Manual: they
	// stay in the main room. Hosts, co-hosts and viewers are never assigned by a mode. Mutable.
	// +optional
	Mode BreakoutSetMode `json:"mode,omitempty"`

	// placements put single participants, hosts and co-hosts too, into rooms; they win over the mode and over
	// maxParticipants. At most 1000. A placement that names an unknown room or participant is ignored and shown in
	// condition PlacementsHonoured. Removing one moves nobody in mode Automatic, and calls its participant back to the
	// main room otherwise. Mutable.
	// +optional
	// +listType=map
	// +listMapKey=participant
	// +kubebuilder:validation:MaxItems=1000
	Placements []Placement `json:"placements,omitempty"`
}

// BreakoutRoomTemplate describes what all breakout rooms have in common.
type BreakoutRoomTemplate struct {
	// session describes the sessions of the breakout rooms; the main room's spec.session by default. Immutable.
	// +optional
	Session *SessionSpec `json:"session,omitempty"`

	// tokens says how long the breakout rooms' tokens live and where they are published; the main room's spec.tokens by
	// default. Mutable.
	// +optional
	Tokens *TokensSpec `json:"tokens,omitempty"`
}

// BreakoutSetSpec describes the breakout rooms of a meeting.
// +kubebuilder:validation:XValidation:rule="!has(self.replicas) || !has(self.rooms) || size(self.rooms) == 0",message="rooms and replicas exclude each other: list the rooms, or say how many",fieldPath=".replicas"
// +kubebuilder:validation:XValidation:rule="(has(self.template) && has(self.template.session)) == (has(oldSelf.template) && has(oldSelf.template.session)) && (!has(self.template) || !has(self.template.session) || self.template.session == oldSelf.template.session)",message="template.session is immutable: make another set for other sessions",fieldPath=".template.session"
type BreakoutSetSpec struct {
	// meetingRoomRef names the main room, in the same namespace: a MeetingRoom that is not itself a breakout room. Its
	// name has at most 63 characters. Immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="meetingRoomRef is immutable: make another set"
	// +kubebuilder:validation:XValidation:rule="size(self.name) <= 63",message="the name of a meeting room with breakout rooms has at most 63 characters"
	MeetingRoomRef LocalObjectReference `json:"meetingRoomRef,omitzero"`

	// state is Open (default) or Closed. Mutable: Closed calls everybody back (`allRoomRemoved`) and, after
	// closeGraceSeconds, deletes the breakout rooms; Open opens anew.
	// +optional
	State DesiredBreakoutState `json:"state,omitempty"`

	// rooms lists the breakout rooms; at most 500; excludes replicas. Mutable: while the set is open, a room added
	// sends `roomAdded`, one removed moves its people and sends `roomRemoved`.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=500
	Rooms []BreakoutRoomSpec `json:"rooms,omitempty"`

	// replicas asks for that many rooms named room-1, room-2, …; 0 to 500; excludes rooms. Where neither is given there
	// are no rooms yet. Mutable, by `kubectl scale` too: as adding to and removing from the end of rooms.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=500
	Replicas *int32 `json:"replicas,omitempty"`

	// maxParticipants is how many people a room takes that gives no number itself; 0 (default) means no limit. Mutable,
	// as that of a room.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	MaxParticipants *int32 `json:"maxParticipants,omitempty"`

	// assignment says who goes where; mode Automatic without placements by default. Mutable.
	// +optional
	Assignment *AssignmentSpec `json:"assignment,omitempty"`

	// openAt is when the rooms open; at once by default. When the operator comes late they open late, unless
	// durationSeconds is already over by then. Mutable: a later time, while open, closes the rooms until then.
	// +optional
	OpenAt *metav1.Time `json:"openAt,omitempty"`

	// durationSeconds is how long the rooms stay open, counted from status.openedAt; without it they stay open until
	// state is Closed. 1 to 86400. Mutable: a change while open sends `count-down-timer`; a longer one after the time
	// was up re-opens the rooms.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	DurationSeconds *int32 `json:"durationSeconds,omitempty"`

	// warningSeconds is for how many seconds before the end browsers show the countdown; 0 to 3600, default 30.
	// Mutable: a change while open sends `count-down-timer`.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	WarningSeconds *int32 `json:"warningSeconds,omitempty"`

	// returnMode says what clients do when the time is up: Automatic (default), they come back by themselves; Manual,
	// they only show it, and are called back after closeGraceSeconds. Mutable: a change while open sends
	// `count-down-timer`.
	// +optional
	ReturnMode ReturnMode `json:"returnMode,omitempty"`

	// closeGraceSeconds is how long people have to leave a room that closes, before whoever is left is disconnected; 6
	// to 600, default 15. Mutable.
	// +optional
	// +kubebuilder:validation:Minimum=6
	// +kubebuilder:validation:Maximum=600
	CloseGraceSeconds *int32 `json:"closeGraceSeconds,omitempty"`

	// template describes the breakout rooms' sessions and tokens; as the main room's by default.
	// +optional
	Template *BreakoutRoomTemplate `json:"template,omitempty"`
}

// BreakoutSetState is where a set stands, for people to read. More values may come: programs use the conditions.
type BreakoutSetState string

const (
	// StateScheduled: openAt is still to come.
	StateScheduled BreakoutSetState = "Scheduled"
	// StateWaiting: another set of the meeting room is open.
	StateWaiting BreakoutSetState = "Waiting"
	// StateOpening: rooms are being made, or signals are being delivered.
	StateOpening BreakoutSetState = "Opening"
	// StateOpen: rooms are open and delivered to everybody.
	StateOpen BreakoutSetState = "Open"
	// StateClosing: people were called back and have the grace to leave.
	StateClosing BreakoutSetState = "Closing"
	// StateClosed: no rooms are open.
	StateClosed BreakoutSetState = "Closed"
)

// BreakoutRoomStatus is one breakout room as it was delivered to everybody, or is being delivered.
type BreakoutRoomStatus struct {
	// name is the room's name within the set.
	// +required
	Name BreakoutRoomName `json:"name,omitempty"`

	// displayName is the name that browsers show, unique within the set.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=80
	DisplayName string `json:"displayName,omitempty"`

	// meetingRoomName is the name of the room's MeetingRoom.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	MeetingRoomName string `json:"meetingRoomName,omitempty"`

	// sessionID is the room's Vonage session.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	SessionID string `json:"sessionID,omitempty"`

	// maxParticipants is how many people the room takes; absent means no limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	MaxParticipants int32 `json:"maxParticipants,omitempty"`

	// participants are those who belong into the room, in the order of the meeting room's participants.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Participants []ParticipantName `json:"participants,omitempty"`

	// state is Leaving while people are called out of a room that is not wanted any more; absent otherwise.
	// +optional
	State BreakoutRoomState `json:"state,omitempty"`
}

// BreakoutRoomState is where a breakout room stands.
// +kubebuilder:validation:Enum=Leaving
type BreakoutRoomState string

// RoomLeaving is the state of a room that people are called out of, and that is removed then.
const RoomLeaving BreakoutRoomState = "Leaving"

// TimerStatus is the countdown as it was delivered to everybody, or is being delivered.
type TimerStatus struct {
	// endTime is when the time is up.
	// +required
	EndTime metav1.Time `json:"endTime,omitzero"`

	// durationSeconds is how long the rooms stay open in all. Absent where there is no end any more: browsers cannot
	// drop a countdown, and have one then that ends in a year.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	DurationSeconds int32 `json:"durationSeconds,omitempty"`

	// warningSeconds is for how many seconds before the end browsers show the countdown.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	WarningSeconds int32 `json:"warningSeconds,omitempty"`

	// returnMode says what clients do when the time is up.
	// +required
	ReturnMode ReturnMode `json:"returnMode,omitempty"`
}

// SignalKind is a kind of message to a session.
// +kubebuilder:validation:Enum=Countdown;Rooms;Opening;Added;Moves;Removal;Prompt;Roles
type SignalKind string

// The kinds of messages, in the order in which a session is sent them.
const (
	// SignalCountdown: when the time is up, or that it does not end any more.
	SignalCountdown SignalKind = "Countdown"
	// SignalRooms: the rooms as they are, with their names and sizes.
	SignalRooms SignalKind = "Rooms"
	// SignalOpening: the rooms are open.
	SignalOpening SignalKind = "Opening"
	// SignalAdded: there are more rooms.
	SignalAdded SignalKind = "Added"
	// SignalMoves: who is on the move, and to where.
	SignalMoves SignalKind = "Moves"
	// SignalRemoval: rooms are gone.
	SignalRemoval SignalKind = "Removal"
	// SignalPrompt: people are asked to choose a room.
	SignalPrompt SignalKind = "Prompt"
	// SignalRoles: who leads.
	SignalRoles SignalKind = "Roles"
)

// SessionSignals is a session that has not had the present state, or is sent it again while people are on the move.
type SessionSignals struct {
	// room is the session's room, "main" for the main room.
	// +required
	Room BreakoutRoomName `json:"room,omitempty"`

	// revision is the revision that the session has had; less than signals.revision while it lags.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Revision int64 `json:"revision,omitempty"`

	// time is since when the session lags, when it may be sent anything at the earliest where that is still to come, or
	// when it had the present state.
	// +required
	Time metav1.MicroTime `json:"time,omitzero"`

	// reason is Pending while messages are to be sent, Repeating while they are sent again, or why they could not be
	// sent yet: VendorUnavailable, CredentialsRejected, VendorRejected and the other reasons of condition
	// SignalsDelivered.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// messages are the kinds of messages that the session is to be sent, or is sent again.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Messages []SignalKind `json:"messages,omitempty"`
}

// SignalsStatus is how far the sessions have had the rooms, people and timer of the status.
type SignalsStatus struct {
	// revision is the number of the present state; it is in the data of every signal, so that clients can drop repeats.
	// Later ones are greater: milliseconds since 1970, or 100 more than the last.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Revision int64 `json:"revision,omitempty"`

	// deliveredTime is when the last session concerned had the present state.
	// +optional
	DeliveredTime *metav1.MicroTime `json:"deliveredTime,omitempty"`

	// sessions are those that lag, wait, or are sent messages again; absent when there are none.
	// +optional
	// +listType=map
	// +listMapKey=room
	// +kubebuilder:validation:MaxItems=1001
	Sessions []SessionSignals `json:"sessions,omitempty"`

	// moving are those who are being sent to where they belong. Nothing tells yet who has arrived: they are sent
	// messages again for half a minute.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Moving []ParticipantName `json:"moving,omitempty"`
}

// BreakoutSetStatus is what the operator observed, planned and delivered.
type BreakoutSetStatus struct {
	// conditions are Ready, Open, SignalsDelivered and PlacementsHonoured, and Reconciling or Stalled while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the newest generation that the operator has handled; -1 before the first.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// state is where the set stands, for people to read; programs use the conditions.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	State BreakoutSetState `json:"state,omitempty"`

	// accountName is the VonageAccount of the main room, by which signals are sent.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	AccountName string `json:"accountName,omitempty"`

	// mainSessionID is the Vonage session of the main room, while the set is open or closing.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	MainSessionID string `json:"mainSessionID,omitempty"`

	// mainDisplayName is the main room's name that browsers received; fixed while the set is open.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	MainDisplayName string `json:"mainDisplayName,omitempty"`

	// mode is the assignment mode that the rooms were opened with, or that people received last.
	// +optional
	Mode BreakoutSetMode `json:"mode,omitempty"`

	// openedAt is when the rooms were last opened; absent when they were not, or were closed by other than the time.
	// +optional
	OpenedAt *metav1.Time `json:"openedAt,omitempty"`

	// closesAt is when the time is up.
	// +optional
	ClosesAt *metav1.Time `json:"closesAt,omitempty"`

	// closedAt is when the rooms were last closed; absent while they are open.
	// +optional
	ClosedAt *metav1.Time `json:"closedAt,omitempty"`

	// replicas is how many breakout rooms exist now.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// readyRooms is how many of them have their session and tokens.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReadyRooms *int32 `json:"readyRooms,omitempty"`

	// roomSummary is how many rooms are open, of how many the spec asks for, for people to read, such as 3/4.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	RoomSummary string `json:"roomSummary,omitempty"`

	// rooms are the breakout rooms and who belongs where, as people are told; those that people are called out of come
	// last.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Rooms []BreakoutRoomStatus `json:"rooms,omitempty"`

	// mainParticipants are those who belong into the main room.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	MainParticipants []ParticipantName `json:"mainParticipants,omitempty"`

	// hosts are the participants of role Host, as delivered to everybody.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Hosts []ParticipantName `json:"hosts,omitempty"`

	// coHosts are the participants of role CoHost, as delivered to everybody.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	CoHosts []ParticipantName `json:"coHosts,omitempty"`

	// unassigned are participants for whom mode Automatic found no place.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Unassigned []ParticipantName `json:"unassigned,omitempty"`

	// timer is the countdown; absent when there is none.
	// +optional
	Timer *TimerStatus `json:"timer,omitempty"`

	// signals is how far all this is delivered.
	// +optional
	Signals SignalsStatus `json:"signals,omitzero"`

	// lastHandledResend is the value of annotation breakout-operator.io/resend that was last handled.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=253
	LastHandledResend string `json:"lastHandledResend,omitempty"`
}

// BreakoutSet splits a meeting into breakout rooms, decides who goes where, and sends that to the browsers.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas
// +kubebuilder:resource:shortName=bs,categories=video
// +kubebuilder:printcolumn:name="Meeting Room",type=string,JSONPath=`.spec.meetingRoomRef.name`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Rooms",type=string,JSONPath=`.status.roomSummary`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.status.closesAt`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.assignment.mode`,priority=1
// +kubebuilder:printcolumn:name="Delivered",type=string,JSONPath=`.status.conditions[?(@.type=="SignalsDelivered")].status`,priority=1
// +kubebuilder:printcolumn:name="Unassigned",type=string,JSONPath=`.status.unassigned`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of a BreakoutSet has at most 63 characters",fieldPath=".metadata"
type BreakoutSet struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata. The name has at most 63 characters.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the desired state of the set.
	// +required
	Spec BreakoutSetSpec `json:"spec,omitzero"`

	// status is the observed state of the set: rooms, people, timer, and how far they are delivered.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status BreakoutSetStatus `json:"status,omitzero"`
}

// BreakoutSetList is a list of BreakoutSets.
//
// +kubebuilder:object:root=true
type BreakoutSetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []BreakoutSet `json:"items"`
}

// GetConditions returns the conditions of the set's status.
func (b *BreakoutSet) GetConditions() []metav1.Condition { return b.Status.Conditions }

// SetConditions replaces the conditions of the set's status.
func (b *BreakoutSet) SetConditions(c []metav1.Condition) { b.Status.Conditions = c }

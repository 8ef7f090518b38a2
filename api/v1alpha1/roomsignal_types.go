// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DeliveredCondition of a RoomSignal is true when the signal was delivered to every target, or nobody is in it.
// Reasons: True: Delivered, NoRecipients. False: WaitingForEarlierSignal, Delivering, DeadlineExceeded,
// DeliveryIncomplete, SignalTooLarge, UnknownRoom, BreakoutSetNotOpen, and what stands in the way.
const DeliveredCondition = "Delivered"

// Reasons of a RoomSignal's conditions, beside those shared by several kinds.
const (
	// NoRecipientsReason, Delivered=True: the signal was sent and nobody was in any of the sessions.
	NoRecipientsReason = "NoRecipients"

	// WaitingForEarlierReason, Delivered=False: a signal created earlier for the same meeting goes first.
	WaitingForEarlierReason = "WaitingForEarlierSignal"

	// DeadlineExceededReason, Delivered=False: the signal could not be sent within deadlineSeconds. It will not be sent
	// any more.
	DeadlineExceededReason = "DeadlineExceeded"

	// BreakoutSetNotFoundReason, Delivered=False: the referenced BreakoutSet does not exist.
	BreakoutSetNotFoundReason = "BreakoutSetNotFound"

	// BreakoutSetNotOpenReason, Delivered=False: the referenced BreakoutSet is not open.
	BreakoutSetNotOpenReason = "BreakoutSetNotOpen"

	// DeliveryIncompleteReason, Delivered=False: the signal could not be delivered to some of the rooms;
	// status.deliveries says which.
	DeliveryIncompleteReason = "DeliveryIncomplete"

	// SignalTooLargeReason, Delivered=False: the signal is over the vendor's limit; make a shorter one.
	SignalTooLargeReason = "SignalTooLarge"
)

// Message is a text for everybody in the targets.
type Message struct {
	// from is who is shown as the sender: a participant's name or any other. 1 to 64 characters.
	// +required
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[^\p{Cc}\p{Z}]([^\p{Cc}\p{Zl}\p{Zp}]*[^\p{Cc}\p{Z}])?$')`,message="a name has no control characters and no blank at either end"
	From ParticipantName `json:"from,omitempty"`

	// text is what is shown; 1 to 1000 characters.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1000
	Text string `json:"text,omitempty"`
}

// RaiseHand says that somebody in a breakout room asks for a host.
type RaiseHand struct {
	// participant is who raises a hand.
	// +required
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[^\p{Cc}\p{Z}]([^\p{Cc}\p{Zl}\p{Zp}]*[^\p{Cc}\p{Z}])?$')`,message="a name has no control characters and no blank at either end"
	Participant ParticipantName `json:"participant,omitempty"`

	// room is where they are: a room of the set, or "main".
	// +required
	Room BreakoutRoomName `json:"room,omitempty"`
}

// CustomSignal is a signal of the user's own making.
type CustomSignal struct {
	// type is the signal's type: 1 to 128 letters, digits, `-`, `_` or `~`, and none of the types that the operator
	// itself sends. Browsers see the event `signal:<type>`.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_~-]+$`
	// +kubebuilder:validation:XValidation:rule="!(self in ['breakout-room', 'count-down-timer', 'message', 'raise-hand', 'update-participant', 'data-refreshed', 'join-breakout-room'])",message="this type belongs to the operator: use message or raiseHand, or another type"
	Type string `json:"type,omitempty"`

	// data is the signal's data, as it is; at most 8000 bytes.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=8000
	// +kubebuilder:validation:XValidation:rule="size(bytes(self)) <= 8000",message="data has at most 8000 bytes"
	Data string `json:"data,omitempty"` //nolint:kubeapilinter // empty data is the same as none
}

// Recall sends people to where they belong: to their room of the set, or to the main room.
type Recall struct {
	// participants are who is sent there; 1 to 1000 names. Whoever is there already notices nothing.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	Participants []ParticipantName `json:"participants,omitempty"`
}

// RoomSignalSpec describes one signal. It is immutable as a whole: make another RoomSignal for another signal.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a RoomSignal is immutable: make another one"
// +kubebuilder:validation:XValidation:rule="has(self.meetingRoomRef) != has(self.breakoutSetRef)",message="exactly one of meetingRoomRef and breakoutSetRef must be given"
// +kubebuilder:validation:XValidation:rule="!has(self.rooms) || has(self.breakoutSetRef)",message="rooms goes only with breakoutSetRef",fieldPath=".rooms"
// +kubebuilder:validation:XValidation:rule="(has(self.message) ? 1 : 0) + (has(self.raiseHand) ? 1 : 0) + (has(self.custom) ? 1 : 0) + (has(self.recall) ? 1 : 0) == 1",message="exactly one of message, raiseHand, custom and recall must be given"
// +kubebuilder:validation:XValidation:rule="!has(self.recall) || has(self.breakoutSetRef) && !has(self.rooms)",message="recall goes with breakoutSetRef and without rooms",fieldPath=".recall"
type RoomSignalSpec struct {
	// meetingRoomRef sends the signal to one MeetingRoom, in the same namespace. Exactly one of meetingRoomRef and
	// breakoutSetRef is given.
	// +optional
	MeetingRoomRef *LocalObjectReference `json:"meetingRoomRef,omitempty"`

	// breakoutSetRef sends the signal to the main room and all open breakout rooms of a BreakoutSet, in the same
	// namespace.
	// +optional
	BreakoutSetRef *LocalObjectReference `json:"breakoutSetRef,omitempty"`

	// rooms sends the signal to just these rooms of the BreakoutSet; "main" is the main room. All of them by default.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=501
	Rooms []BreakoutRoomName `json:"rooms,omitempty"`

	// message sends a text (signal type `message`).
	// +optional
	Message *Message `json:"message,omitempty"`

	// raiseHand shows the hosts that somebody asks for them (signal type `raise-hand`).
	// +optional
	RaiseHand *RaiseHand `json:"raiseHand,omitempty"`

	// custom sends a signal of your own making.
	// +optional
	Custom *CustomSignal `json:"custom,omitempty"`

	// recall sends people to where they belong by the BreakoutSet: somebody who came late, loaded the page anew, or
	// went back by themselves. Only with breakoutSetRef, and without rooms.
	// +optional
	Recall *Recall `json:"recall,omitempty"`

	// deadlineSeconds is how long the operator tries, counted from creation; 1 to 3600, default 60. After that the
	// signal has failed: "five minutes left" must not arrive an hour late.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3600
	DeadlineSeconds *int32 `json:"deadlineSeconds,omitempty"`

	// ttlSecondsAfterFinished is after how many seconds a finished signal is deleted; kept where unset. 0 to 2592000.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2592000
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// DeliveryResult is what became of a signal in one session.
// +kubebuilder:validation:Enum=Pending;Accepted;NoRecipients;Failed
type DeliveryResult string

const (
	// DeliveryPending: not sent yet, or being tried again.
	DeliveryPending DeliveryResult = "Pending"
	// DeliveryAccepted: the vendor accepted the signal. It reports no receipt.
	DeliveryAccepted DeliveryResult = "Accepted"
	// DeliveryNoRecipients: nobody was in the session.
	DeliveryNoRecipients DeliveryResult = "NoRecipients"
	// DeliveryFailed: the signal could not be sent, and is not tried any more.
	DeliveryFailed DeliveryResult = "Failed"
)

// SignalDelivery is what became of the signal in one room.
type SignalDelivery struct {
	// room is the room's name within its set, or "main".
	// +required
	Room BreakoutRoomName `json:"room,omitempty"`

	// sessionID is the Vonage session that the signal went to.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	SessionID string `json:"sessionID,omitempty"`

	// result is Pending, Accepted, NoRecipients or Failed.
	// +required
	Result DeliveryResult `json:"result,omitempty"`

	// attempts is how often the signal was sent, or tried to be sent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Attempts int32 `json:"attempts,omitempty"`
}

// RoomSignalStatus is what became of the signal.
type RoomSignalStatus struct {
	// conditions are Ready and Delivered, and Reconciling or Stalled while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the newest generation that the operator has handled; -1 before the first.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// order is the resourceVersion of the signal's creation, by which signals made within the same second are ordered.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Order int64 `json:"order,omitempty"`

	// completionTime is when the signal was completed, delivered or failed. From then on nothing is sent.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`

	// revision is the revision of the set's signals by which people are recalled.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Revision int64 `json:"revision,omitempty"`

	// deliveries say per room what became of the signal.
	// +optional
	// +listType=map
	// +listMapKey=room
	// +kubebuilder:validation:MaxItems=501
	Deliveries []SignalDelivery `json:"deliveries,omitempty"`
}

// RoomSignal says one thing once to the people in a room or in all rooms of a set, as a Job runs once. Never keep one
// in Git: a deleted one would be sent again.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rsig,categories=video
// +kubebuilder:printcolumn:name="Delivered",type=string,JSONPath=`.status.conditions[?(@.type=="Delivered")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Delivered")].reason`
// +kubebuilder:printcolumn:name="Completed",type=date,JSONPath=`.status.completionTime`
// +kubebuilder:printcolumn:name="Meeting Room",type=string,JSONPath=`.spec.meetingRoomRef.name`,priority=1
// +kubebuilder:printcolumn:name="Breakout Set",type=string,JSONPath=`.spec.breakoutSetRef.name`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Delivered")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type RoomSignal struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the signal, immutable.
	// +required
	Spec RoomSignalSpec `json:"spec,omitzero"` //nolint:kubeapilinter // none of its fields is required alone: rules ask for one of several

	// status is what became of it.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status RoomSignalStatus `json:"status,omitzero"`
}

// RoomSignalList is a list of RoomSignals.
//
// +kubebuilder:object:root=true
type RoomSignalList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []RoomSignal `json:"items"`
}

// GetConditions returns the conditions of the signal's status.
func (s *RoomSignal) GetConditions() []metav1.Condition { return s.Status.Conditions }

// SetConditions replaces the conditions of the signal's status.
func (s *RoomSignal) SetConditions(c []metav1.Condition) { s.Status.Conditions = c }

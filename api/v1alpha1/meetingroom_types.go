// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions of a MeetingRoom, beside Ready, Reconciling and Stalled.
const (
	// SessionReadyCondition is true when the room has a session. Reasons: True: SessionCreated, SessionAdopted. False:
	// one of the account, vendor and adoption reasons. Unknown: Reconciling.
	SessionReadyCondition = "SessionReady"

	// TokensReadyCondition is true when every participant has a valid token, delivered as asked. Reasons: True:
	// TokensMinted. False: SessionNotReady, AccountNotReady and the other account reasons, SecretsForbidden,
	// SecretNameTaken, ConnectionDataTooLong, TokensExpired.
	TokensReadyCondition = "TokensReady"
)

// Reasons of a MeetingRoom's conditions, beside those shared by several kinds.
const (
	// RoomReadyReason, Ready=True: the session is there and every participant has a valid token.
	RoomReadyReason = "RoomReady"

	// SessionCreatedReason, SessionReady=True: the operator created the session.
	SessionCreatedReason = "SessionCreated"

	// SessionAdoptedReason, SessionReady=True: the room uses the session that spec.sessionID names.
	SessionAdoptedReason = "SessionAdopted"

	// SessionNotReadyReason, TokensReady=False: there is no session yet to mint tokens for.
	SessionNotReadyReason = "SessionNotReady"

	// AdoptionForbiddenReason, SessionReady=False: spec.sessionID is set and the account does not allow adoption.
	AdoptionForbiddenReason = "AdoptionForbidden"

	// SessionOfOtherProjectReason, SessionReady=False: spec.sessionID names a session of another project than the
	// account's.
	SessionOfOtherProjectReason = "SessionOfOtherProject"

	// SessionIDInvalidReason, SessionReady=False: spec.sessionID is not a session ID.
	SessionIDInvalidReason = "SessionIDInvalid"

	// AccountMismatchReason, SessionReady=False: the account of the session now belongs to another project than the
	// session does.
	AccountMismatchReason = "AccountMismatch"

	// TokensMintedReason, TokensReady=True: every participant has a valid token.
	TokensMintedReason = "TokensMinted"

	// SecretsForbiddenReason, TokensReady=False: the operator may not write Secrets in this namespace;
	// config/rbac-token-secrets grants it.
	SecretsForbiddenReason = "SecretsForbidden"

	// SecretNameTakenReason, TokensReady=False: a Secret of the name that the tokens need exists and does not belong to
	// the room.
	SecretNameTakenReason = "SecretNameTaken"

	// ConnectionDataTooLongReason, TokensReady=False: a participant's name and connectionData make more than 1000 bytes
	// of JSON.
	ConnectionDataTooLongReason = "ConnectionDataTooLong"

	// TokensExpiredReason, TokensReady=False: tokens ran out and could not be replaced; SessionReady or the account say
	// why.
	TokensExpiredReason = "TokensExpired"
)

// ParticipantRole is what somebody may do in a meeting.
// +kubebuilder:validation:Enum=Host;CoHost;Participant;Viewer
type ParticipantRole string

const (
	// RoleHost leads the meeting: a Vonage moderator. Breakout rooms are never assigned to a host, who may enter all of
	// them.
	RoleHost ParticipantRole = "Host"

	// RoleCoHost helps to lead: as a host, and shown as a co-host to the browsers.
	RoleCoHost ParticipantRole = "CoHost"

	// RoleParticipant takes part: a Vonage publisher.
	RoleParticipant ParticipantRole = "Participant"

	// RoleViewer looks on: a Vonage subscriber.
	RoleViewer ParticipantRole = "Viewer"
)

// MediaMode says how media flows between the clients of a session.
// +kubebuilder:validation:Enum=Routed;Relayed
type MediaMode string

const (
	// MediaModeRouted sends media through Vonage's media servers.
	MediaModeRouted MediaMode = "Routed"

	// MediaModeRelayed sends media from client to client where that is possible; meant for two or three people.
	MediaModeRelayed MediaMode = "Relayed"
)

// ArchiveMode says whether a session is recorded by itself.
// +kubebuilder:validation:Enum=Manual;Always
type ArchiveMode string

const (
	// ArchiveModeManual records only when asked.
	ArchiveModeManual ArchiveMode = "Manual"

	// ArchiveModeAlways records whenever somebody is connected.
	ArchiveModeAlways ArchiveMode = "Always"
)

// Encryption says how media is encrypted.
// +kubebuilder:validation:Enum=Standard;EndToEnd
type Encryption string

const (
	// EncryptionStandard encrypts between each client and Vonage.
	EncryptionStandard Encryption = "Standard"

	// EncryptionEndToEnd encrypts from client to client.
	EncryptionEndToEnd Encryption = "EndToEnd"
)

// ArchiveResolution is the size of a recording's picture.
// +kubebuilder:validation:Enum="640x480";"480x640";"1280x720";"720x1280";"1920x1080";"1080x1920"
type ArchiveResolution string

// TokenDelivery says where tokens are published.
// +kubebuilder:validation:Enum=Status;Secret
type TokenDelivery string

const (
	// TokenDeliveryStatus publishes tokens in the room's status: whoever may get the room may read them.
	TokenDeliveryStatus TokenDelivery = "Status"

	// TokenDeliverySecret publishes tokens in Secrets that the room owns.
	TokenDeliverySecret TokenDelivery = "Secret"
)

// ParticipantName is a participant's identity: free text. Where users write it, control characters and blanks at either
// end are refused.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
type ParticipantName string

// ConnectionDataValue is one value of a participant's connection data.
// +kubebuilder:validation:MinLength=0
// +kubebuilder:validation:MaxLength=64
type ConnectionDataValue string

// SessionSpec describes the Vonage session of a room.
// +kubebuilder:validation:XValidation:rule="!has(self.archiveMode) || self.archiveMode != 'Always' || !has(self.mediaMode) || self.mediaMode == 'Routed'",message="archiveMode: Always needs mediaMode: Routed",fieldPath=".archiveMode"
// +kubebuilder:validation:XValidation:rule="(has(self.archiveMode) && self.archiveMode == 'Always') || (!has(self.archiveName) && !has(self.archiveResolution))",message="archiveName and archiveResolution go only with archiveMode: Always"
// +kubebuilder:validation:XValidation:rule="!has(self.encryption) || self.encryption != 'EndToEnd' || !has(self.mediaMode) || self.mediaMode == 'Routed'",message="encryption: EndToEnd needs mediaMode: Routed",fieldPath=".encryption"
// +kubebuilder:validation:XValidation:rule="!has(self.encryption) || self.encryption != 'EndToEnd' || !has(self.archiveMode) || self.archiveMode != 'Always'",message="encryption: EndToEnd excludes archiveMode: Always",fieldPath=".encryption"
type SessionSpec struct {
	// mediaMode is Routed (default), through Vonage's media servers, or Relayed, from client to client. Immutable.
	// +optional
	MediaMode MediaMode `json:"mediaMode,omitempty"`

	// archiveMode is Manual (default) or Always, which records whenever somebody is connected and needs Routed.
	// Immutable.
	// +optional
	ArchiveMode ArchiveMode `json:"archiveMode,omitempty"`

	// archiveName names the recordings; only with archiveMode Always. 1 to 80 characters. Immutable.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=80
	ArchiveName string `json:"archiveName,omitempty"`

	// archiveResolution is the picture size of the recordings; only with archiveMode Always. The vendor's default where
	// unset. Immutable.
	// +optional
	ArchiveResolution ArchiveResolution `json:"archiveResolution,omitempty"`

	// location is an IPv4 address near which Vonage picks the media server; near the first client where unset.
	// Immutable.
	// +optional
	// +kubebuilder:validation:MinLength=7
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Format=ipv4
	Location string `json:"location,omitempty"`

	// encryption is Standard (default) or EndToEnd, which needs Routed and excludes archiveMode Always. Immutable.
	// +optional
	Encryption Encryption `json:"encryption,omitempty"`
}

// Participant is somebody who may enter the room.
type Participant struct {
	// name is the participant's identity everywhere: in tokens, placements and signals. 1 to 64 characters of free
	// text, without control characters and without blanks at either end. It is the list's key: another name is another
	// participant, with another token.
	// +required
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[^\p{Cc}\p{Z}]([^\p{Cc}\p{Zl}\p{Zp}]*[^\p{Cc}\p{Z}])?$')`,message="a name has no control characters and no blank at either end"
	Name ParticipantName `json:"name,omitempty"`

	// role is Host, CoHost, Participant (default) or Viewer. Host and CoHost get a token of role moderator, Participant
	// of publisher, Viewer of subscriber. Mutable: a change replaces the token, and is sent to the browsers while
	// breakout rooms are open.
	// +optional
	Role ParticipantRole `json:"role,omitempty"`

	// connectionData is put into the token's connection data beside id, name, role and isCohost, which it cannot
	// replace. At most 8 keys of 1 to 32 characters with values of at most 64. Everybody in the session, and Vonage's
	// logs, can read it: nothing personal. The whole connection data must fit in 1000 bytes, else TokensReady says for
	// whom it does not. Mutable: a change replaces the token.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) >= 1 && size(k) <= 32 && k != 'id' && k != 'name' && k != 'role' && k != 'isCohost')",message="keys have 1 to 32 characters and are none of id, name, role, isCohost"
	ConnectionData map[string]ConnectionDataValue `json:"connectionData,omitempty"`
}

// TokensSpec says how tokens are made and where they are published.
type TokensSpec struct {
	// ttlSeconds is how long a token lives, in seconds: 300 to 2592000 (30 days); default 14400 (4 hours). Tokens are
	// replaced when a third of their life is left. A token handed out cannot be taken back before it expires, which
	// speaks for a short life. Mutable: a change replaces the tokens.
	// +optional
	// +kubebuilder:validation:Minimum=300
	// +kubebuilder:validation:Maximum=2592000
	TTLSeconds *int32 `json:"ttlSeconds,omitempty"`

	// delivery is Status (default), which publishes tokens in the room's status, for at most 300 participants; or
	// Secret, which publishes them in Secrets that the room owns and needs the Role of config/rbac-token-secrets in the
	// namespace. Mutable: tokens are published in the new place and taken away from the old.
	// +optional
	Delivery TokenDelivery `json:"delivery,omitempty"`

	// shared lists the roles for which one token is made that names nobody, for clients that bring their own identity.
	// None by default. Mutable.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Shared []ParticipantRole `json:"shared,omitempty"`
}

// MeetingRoomSpec describes a meeting room.
// +kubebuilder:validation:XValidation:rule="has(self.session) == has(oldSelf.session) && (!has(self.session) || self.session == oldSelf.session)",message="session is immutable: make another room for another session",fieldPath=".session"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.sessionID) || has(self.sessionID)",message="sessionID cannot be removed",fieldPath=".sessionID"
// +kubebuilder:validation:XValidation:rule="!has(self.participants) || self.participants.map(p, 2 * size(bytes(p.name)) + (has(p.connectionData) ? p.connectionData.map(k, size(bytes(k)) + size(bytes(p.connectionData[k]))).sum() : 0)).sum() <= 900000",message="participants are too large to store: their connectionData and twice their names have more than 900000 bytes; use shorter ones, or several rooms",fieldPath=".participants"
// +kubebuilder:validation:XValidation:rule="!has(self.participants) || size(self.participants) <= 300 || (has(self.tokens) && has(self.tokens.delivery) && self.tokens.delivery == 'Secret')",message="more than 300 participants need tokens.delivery: Secret",fieldPath=".participants"
type MeetingRoomSpec struct {
	// accountRef names the VonageAccount; the one marked as default where unset. Mutable until the room has a session;
	// from then on the account is pinned in status.accountName.
	// +optional
	AccountRef *LocalObjectReference `json:"accountRef,omitempty"`

	// displayName is what people see as the room's name; metadata.name by default. 1 to 64 characters, without control
	// characters and without blanks at either end. Mutable; while breakout rooms are open, browsers keep the main
	// room's name of when they were opened.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^[^\p{Cc}\p{Z}]([^\p{Cc}\p{Zl}\p{Zp}]*[^\p{Cc}\p{Z}])?$')`,message="displayName has no control characters and no blank at either end"
	DisplayName string `json:"displayName,omitempty"`

	// session describes the Vonage session; a routed one without recording by default. Immutable, as a session is at
	// the vendor.
	// +optional
	Session *SessionSpec `json:"session,omitempty"`

	// sessionID adopts a session that exists already, of the account's project, where the account allows adoption. The
	// operator creates none then, and disconnects nobody when the room is deleted. It can be set, or changed, only
	// while the room has no session, or to the session it has; it can never be removed.
	// +optional
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[12]_[A-Za-z0-9_-]+$`
	SessionID string `json:"sessionID,omitempty"`

	// participants are those who get a token, by name; at most 1000, and at most 300 with tokens.delivery Status. Twice
	// the bytes of their names plus those of their connectionData are at most 900000, so that the room with its tokens
	// can be stored. Mutable: who is added gets a token; who is removed loses it from status, but a token handed out
	// stays valid at the vendor until it expires.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=1000
	Participants []Participant `json:"participants,omitempty"`

	// tokens says how long tokens live and where they are published. Mutable.
	// +optional
	Tokens *TokensSpec `json:"tokens,omitempty"`
}

// ParticipantToken is a participant's token, or where to find it.
type ParticipantToken struct {
	// participant is the name of the participant whose token this is.
	// +required
	Participant ParticipantName `json:"participant,omitempty"`

	TokenStatus `json:",inline"`
}

// SharedToken is a token that names nobody, or where to find it.
type SharedToken struct {
	TokenStatus `json:",inline"`
}

// TokenStatus is a token, or where to find it.
type TokenStatus struct {
	// role is the role that the token was made for.
	// +required
	Role ParticipantRole `json:"role,omitempty"`

	// token is the token itself, with tokens.delivery Status.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Token string `json:"token,omitempty"`

	// secretKeyRef says where the token is, with tokens.delivery Secret.
	// +optional
	SecretKeyRef *SecretKeyReference `json:"secretKeyRef,omitempty"`

	// issuedAt is when the token was made.
	// +required
	IssuedAt metav1.Time `json:"issuedAt,omitzero"`

	// expiresAt is when the token stops letting clients connect. Whoever is connected by then stays connected.
	// +required
	ExpiresAt metav1.Time `json:"expiresAt,omitzero"`

	// inputsHash identifies what the token was made from (session, role, connection data, life, key), so that a change
	// shows. It reveals nothing of the token.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	InputsHash string `json:"inputsHash,omitempty"`
}

// MeetingRoomStatus is what the operator observed and published.
type MeetingRoomStatus struct {
	// conditions are Ready, SessionReady and TokensReady, and Reconciling or Stalled while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the newest generation that the operator has handled; -1 before the first.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// accountName is the VonageAccount of the session. Once there it never changes.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	AccountName string `json:"accountName,omitempty"`

	// projectID is the vendor project of the session, which clients need to connect: the application ID or API key.
	// Once there it never changes.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ProjectID string `json:"projectID,omitempty"`

	// sessionID is the Vonage session. Once there it never changes.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	SessionID string `json:"sessionID,omitempty"`

	// activeBreakoutSet names the one BreakoutSet that may have breakout rooms of this room open now. The operator sets
	// and frees it.
	// +optional
	ActiveBreakoutSet *ActiveBreakoutSet `json:"activeBreakoutSet,omitempty"`

	// countdownTime is when a BreakoutSet last began to show a countdown in this room's browsers; absent when none ever
	// did. They keep an expired one, which the next set's opening replaces.
	// +optional
	CountdownTime *metav1.Time `json:"countdownTime,omitempty"`

	// tokens are the participants' tokens, by participant, in the order of spec.participants.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Tokens []ParticipantToken `json:"tokens,omitempty"`

	// sharedTokens are the tokens that name nobody, by role.
	// +optional
	// +listType=map
	// +listMapKey=role
	// +kubebuilder:validation:MaxItems=4
	SharedTokens []SharedToken `json:"sharedTokens,omitempty"` //nolint:kubeapilinter // the required fields are in the embedded TokenStatus
}

// ActiveBreakoutSet names the BreakoutSet that holds a main room.
type ActiveBreakoutSet struct {
	// name is the name of the BreakoutSet.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// uid is the UID of the BreakoutSet, so that another one of the same name is not taken for it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"`
}

// MeetingRoom is a video meeting room: a session of the Vonage Video API and the tokens of its participants.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mr,categories=video
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Breakout",type=string,JSONPath=`.status.activeBreakoutSet.name`
// +kubebuilder:printcolumn:name="Account",type=string,JSONPath=`.status.accountName`,priority=1
// +kubebuilder:printcolumn:name="Name",type=string,JSONPath=`.spec.displayName`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.sessionID) || (has(self.status) && has(self.status.sessionID) && self.status.sessionID == oldSelf.status.sessionID)",message="status.sessionID, once there, never changes",fieldPath=".status.sessionID"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.accountName) || (has(self.status) && has(self.status.accountName) && self.status.accountName == oldSelf.status.accountName)",message="status.accountName, once there, never changes",fieldPath=".status.accountName"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.projectID) || (has(self.status) && has(self.status.projectID) && self.status.projectID == oldSelf.status.projectID)",message="status.projectID, once there, never changes",fieldPath=".status.projectID"
// +kubebuilder:validation:XValidation:rule="!has(self.status) || !has(self.status.sessionID) || !has(self.spec.sessionID) || self.spec.sessionID == self.status.sessionID",message="spec.sessionID cannot name another session than the room has",fieldPath=".spec.sessionID"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.accountName) || !has(self.spec.accountRef) || self.spec.accountRef.name == oldSelf.status.accountName || (has(oldSelf.spec.accountRef) && self.spec.accountRef.name == oldSelf.spec.accountRef.name)",message="spec.accountRef cannot change once the room has a session",fieldPath=".spec.accountRef"
type MeetingRoom struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the desired state of the room. A room without one is complete: a session and no tokens.
	// +optional
	// +kubebuilder:default:={}
	Spec MeetingRoomSpec `json:"spec,omitzero"`

	// status is the observed state of the room, with session ID and tokens.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status MeetingRoomStatus `json:"status,omitzero"`
}

// MeetingRoomList is a list of MeetingRooms.
//
// +kubebuilder:object:root=true
type MeetingRoomList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []MeetingRoom `json:"items"`
}

// GetConditions returns the conditions of the room's status.
func (r *MeetingRoom) GetConditions() []metav1.Condition { return r.Status.Conditions }

// SetConditions replaces the conditions of the room's status.
func (r *MeetingRoom) SetConditions(c []metav1.Condition) { r.Status.Conditions = c }

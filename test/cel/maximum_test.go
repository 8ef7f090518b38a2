// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cel

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

const (
	// ascii, han and script are characters of one, three and four bytes.
	ascii  = "x"
	han    = "漢"
	script = "𝒜"

	maxParticipants = 1000
	maxRooms        = 500
	// maxStatusTokens is how many tokens delivery Status takes.
	maxStatusTokens = 300
)

var (
	moment      = metav1.NewTime(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	microMoment = metav1.NewMicroTime(moment.Time)
)

// filled returns a text of n times the character, but for five digits at its end, which are those of i.
func filled(i, n int, char string) string {
	digits := fmt.Sprintf("%05d", i)
	if char == script {
		digits = strings.Map(func(r rune) rune { return '𝟎' + r - '0' }, digits) // of four bytes as well
	}
	return strings.Repeat(char, n-5) + digits
}

func participantName(i int, char string) v1alpha1.ParticipantName {
	return v1alpha1.ParticipantName(filled(i, 64, char))
}

func roomName(i int) v1alpha1.BreakoutRoomName {
	return v1alpha1.BreakoutRoomName(filled(i, 40, "r"))
}

// sessionID is as long as the longest that the vendor documents.
func sessionID(i int) string { return "2_" + filled(i, 253, "s") }

func maximumSession() *v1alpha1.SessionSpec {
	return &v1alpha1.SessionSpec{
		MediaMode: v1alpha1.MediaModeRouted, ArchiveMode: v1alpha1.ArchiveModeAlways,
		ArchiveName:       strings.Repeat(script, 80),
		ArchiveResolution: "1920x1080", Location: "203.113.113.113", Encryption: v1alpha1.EncryptionStandard,
	}
}

func maximumTokens(delivery v1alpha1.TokenDelivery) *v1alpha1.TokensSpec {
	return &v1alpha1.TokensSpec{TTLSeconds: ptr.To[int32](2592000), Delivery: delivery,
		Shared: []v1alpha1.ParticipantRole{
			v1alpha1.RoleHost, v1alpha1.RoleCoHost, v1alpha1.RoleParticipant, v1alpha1.RoleViewer,
		}}
}

// maximumConditions are more, and longer, than any kind has.
func maximumConditions() []metav1.Condition {
	var conditions []metav1.Condition
	for _, kind := range []string{
		"Ready", "Open", "SessionReady", "TokensReady", "SignalsDelivered", "PlacementsHonoured", "Reconciling",
		"Stalled",
	} {
		conditions = append(conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionFalse, Reason: "NamespaceNotAllowed",
			Message:            strings.Repeat("m", 1024),
			LastTransitionTime: moment, ObservedGeneration: 1,
		})
	}
	return conditions
}

// maximumRoom returns a room with that many participants, and its status once the operator is done. data gives each of
// them eight keys of connection data; with delivery Status a token has tokenSize bytes.
func maximumRoom(
	participants int, char string, data bool, delivery v1alpha1.TokenDelivery, tokenSize int,
) *v1alpha1.MeetingRoom {
	room := &v1alpha1.MeetingRoom{Spec: v1alpha1.MeetingRoomSpec{
		AccountRef:  &v1alpha1.LocalObjectReference{Name: strings.Repeat("a", 253)},
		DisplayName: strings.Repeat(script, 64),
		Session:     maximumSession(),
		Tokens:      maximumTokens(delivery),
	}}
	room.Status = v1alpha1.MeetingRoomStatus{
		Conditions:         maximumConditions(),
		ObservedGeneration: 1,
		AccountName:        room.Spec.AccountRef.Name,
		ProjectID:          fixture.ProjectID,
		SessionID:          sessionID(0),
		ActiveBreakoutSet:  &v1alpha1.ActiveBreakoutSet{Name: strings.Repeat("b", 63), UID: fixture.ProjectID},
		CountdownTime:      &moment,
	}
	token := func(i int, role v1alpha1.ParticipantRole) v1alpha1.TokenStatus {
		status := v1alpha1.TokenStatus{
			Role: role, IssuedAt: moment, ExpiresAt: moment, InputsHash: strings.Repeat("h", 32),
		}
		if delivery == v1alpha1.TokenDeliverySecret {
			status.SecretKeyRef = &v1alpha1.SecretKeyReference{Name: strings.Repeat("n", 100), Key: filled(i, 64, "k")}
		} else {
			status.Token = filled(i, tokenSize, "t")
		}
		return status
	}
	for i := range participants {
		participant := v1alpha1.Participant{Name: participantName(i, char), Role: v1alpha1.RoleParticipant}
		if data {
			participant.ConnectionData = map[string]v1alpha1.ConnectionDataValue{}
			for key := range 8 {
				participant.ConnectionData[filled(key, 32, ascii)] = v1alpha1.ConnectionDataValue(filled(i, 64, ascii))
			}
		}
		room.Spec.Participants = append(room.Spec.Participants, participant)
		room.Status.Tokens = append(room.Status.Tokens, v1alpha1.ParticipantToken{
			Participant: participant.Name, TokenStatus: token(i, participant.Role),
		})
	}
	for i, role := range room.Spec.Tokens.Shared {
		room.Status.SharedTokens = append(room.Status.SharedTokens, v1alpha1.SharedToken{TokenStatus: token(i, role)})
	}
	return room
}

// maximumSet returns a set of 500 rooms with 1000 people placed, and the largest status that a plan can have: everybody
// is on the move, so many rooms are being left, and no session could be sent anything yet.
func maximumSet(char string, leaving int) *v1alpha1.BreakoutSet {
	set := &v1alpha1.BreakoutSet{Spec: v1alpha1.BreakoutSetSpec{
		MeetingRoomRef:    v1alpha1.LocalObjectReference{Name: strings.Repeat("m", 63)},
		State:             v1alpha1.DesiredOpen,
		MaxParticipants:   ptr.To[int32](1000),
		Assignment:        &v1alpha1.AssignmentSpec{Mode: v1alpha1.ModeAutomatic},
		OpenAt:            &moment,
		DurationSeconds:   ptr.To[int32](86400),
		WarningSeconds:    ptr.To[int32](3600),
		ReturnMode:        v1alpha1.ReturnAutomatic,
		CloseGraceSeconds: ptr.To[int32](600),
		Template: &v1alpha1.BreakoutRoomTemplate{
			Session: maximumSession(), Tokens: maximumTokens(v1alpha1.TokenDeliverySecret),
		},
	}}
	set.Status = v1alpha1.BreakoutSetStatus{
		Conditions:         maximumConditions(),
		ObservedGeneration: 1,
		State:              v1alpha1.StateOpening,
		AccountName:        strings.Repeat("a", 253),
		MainSessionID:      sessionID(maxRooms),
		MainDisplayName:    strings.Repeat(script, 64),
		Mode:               v1alpha1.ModeAutomatic,
		OpenedAt:           &moment,
		ClosesAt:           &moment,
		Replicas:           ptr.To[int32](maxRooms),
		ReadyRooms:         ptr.To[int32](maxRooms),
		RoomSummary:        "500/500",
		Hosts:              []v1alpha1.ParticipantName{participantName(0, char)},
		CoHosts:            []v1alpha1.ParticipantName{participantName(1, char)},
		Timer: &v1alpha1.TimerStatus{
			EndTime: moment, DurationSeconds: 86400, WarningSeconds: 3600, ReturnMode: v1alpha1.ReturnAutomatic,
		},
		LastHandledResend: strings.Repeat("r", 253),
		Signals: v1alpha1.SignalsStatus{
			Revision: moment.UnixMilli(), DeliveredTime: &microMoment,
			Sessions: []v1alpha1.SessionSignals{
				lagging(v1alpha1.MainRoomName, v1alpha1.SignalOpening, v1alpha1.SignalPrompt),
			},
		},
	}
	for i := range maxRooms {
		room := v1alpha1.BreakoutRoomSpec{
			Name: roomName(i), DisplayName: filled(i, 64, char), MaxParticipants: ptr.To[int32](1000),
		}
		set.Spec.Rooms = append(set.Spec.Rooms, room)
		set.Status.Rooms = append(set.Status.Rooms, v1alpha1.BreakoutRoomStatus{
			Name: room.Name, DisplayName: room.DisplayName, MeetingRoomName: strings.Repeat("b", 63) + "-" +
				string(room.Name),
			SessionID: sessionID(i), MaxParticipants: 1000,
			Participants: []v1alpha1.ParticipantName{participantName(i, char), participantName(i+maxRooms, char)},
		})
		set.Status.Signals.Sessions = append(set.Status.Signals.Sessions, lagging(room.Name))
	}
	for i := maxRooms; i < maxRooms+leaving; i++ {
		set.Status.Rooms = append(set.Status.Rooms, v1alpha1.BreakoutRoomStatus{
			Name: roomName(i), DisplayName: filled(i, 64, char),
			MeetingRoomName: strings.Repeat("b", 63) + "-" + string(roomName(i)),
			SessionID:       sessionID(i), MaxParticipants: 1000, State: v1alpha1.RoomLeaving,
		})
		set.Status.Signals.Sessions = append(set.Status.Signals.Sessions, lagging(roomName(i)))
	}
	for i := range maxParticipants {
		name := participantName(i, char)
		set.Spec.Assignment.Placements = append(set.Spec.Assignment.Placements, v1alpha1.Placement{
			Participant: name, Room: roomName(i % maxRooms),
		})
		set.Status.Signals.Moving = append(set.Status.Signals.Moving, name)
	}
	return set
}

// lagging is a session that could not be sent anything yet of all that any may be owed, and more.
func lagging(room v1alpha1.BreakoutRoomName, more ...v1alpha1.SignalKind) v1alpha1.SessionSignals {
	return v1alpha1.SessionSignals{
		Room: room, Revision: moment.UnixMilli() - 1, Time: microMoment, Reason: v1alpha1.CredentialsRejectedReason,
		Messages: append([]v1alpha1.SignalKind{
			v1alpha1.SignalCountdown, v1alpha1.SignalRooms, v1alpha1.SignalAdded, v1alpha1.SignalMoves,
			v1alpha1.SignalRemoval, v1alpha1.SignalRoles,
		}, more...),
	}
}

// maximumRecall returns a recall of everybody in the largest set.
func maximumRecall() *v1alpha1.RoomSignal {
	signal := maximumSignal()
	signal.Spec.Rooms, signal.Spec.Custom, signal.Spec.Recall = nil, nil, &v1alpha1.Recall{}
	signal.Status.Revision = moment.UnixMilli()
	for i := range maxParticipants {
		signal.Spec.Recall.Participants = append(signal.Spec.Recall.Participants, participantName(i, script))
	}
	return signal
}

// maximumSignal returns a signal to all rooms of the largest set.
func maximumSignal() *v1alpha1.RoomSignal {
	signal := &v1alpha1.RoomSignal{Spec: v1alpha1.RoomSignalSpec{
		BreakoutSetRef: &v1alpha1.LocalObjectReference{Name: strings.Repeat("b", 63)},
		Custom: &v1alpha1.CustomSignal{
			Type: strings.Repeat("t", 128), Data: strings.Repeat(script, 2000),
		},
		DeadlineSeconds:         ptr.To[int32](3600),
		TTLSecondsAfterFinished: ptr.To[int32](2592000),
	}}
	signal.Status = v1alpha1.RoomSignalStatus{
		Conditions: maximumConditions(), ObservedGeneration: 1, CompletionTime: &moment,
	}
	for i := range maxRooms + 1 {
		signal.Spec.Rooms = append(signal.Spec.Rooms, roomName(i))
		signal.Status.Deliveries = append(signal.Status.Deliveries, v1alpha1.SignalDelivery{
			Room: roomName(i), SessionID: sessionID(i), Result: v1alpha1.DeliveryNoRecipients, Attempts: 1000,
		})
	}
	return signal
}

// maximumAccount returns an account with the largest selector.
func maximumAccount() *v1alpha1.VonageAccount {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for i := range 64 {
		key := strings.Repeat("p", 253) + "/" + filled(i, 63, "k")
		selector.MatchLabels[key] = filled(i, 63, "v")
		requirement := metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn}
		for value := range 64 {
			requirement.Values = append(requirement.Values, filled(value, 63, "v"))
		}
		selector.MatchExpressions = append(selector.MatchExpressions, requirement)
	}
	return &v1alpha1.VonageAccount{
		Spec: v1alpha1.VonageAccountSpec{
			Environment:          v1alpha1.EnvironmentUnified,
			ProjectID:            fixture.ProjectID,
			CredentialsSecretRef: v1alpha1.LocalObjectReference{Name: strings.Repeat("s", 253)},
			Endpoint:             "https://simulator.example/" + strings.Repeat("p", 512-26),
			RateLimit:            fixture.NoRateLimit(),
			AllowedNamespaces: &v1alpha1.AllowedNamespaces{
				From: v1alpha1.NamespacesFromSelector, Selector: selector,
			},
			Adoption: v1alpha1.AdoptionAllowed,
		},
		Status: v1alpha1.VonageAccountStatus{
			Conditions: maximumConditions(), ObservedGeneration: 1, KeyID: strings.Repeat("k", 64),
		},
	}
}

// maximum are the objects of maximum size on which the rules are tested.
var maximum = map[string]client.Object{
	"vonageaccounts": maximumAccount(),
	"meetingrooms":   maximumRoom(maxParticipants, ascii, true, v1alpha1.TokenDeliverySecret, 0),
	"breakoutsets":   maximumSet(ascii, maxRooms),
	"roomsignals":    maximumSignal(),
}

// fieldsOf returns the spec and status of an object as a client would send them.
func fieldsOf(t *testing.T, object client.Object) map[string]any {
	t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	delete(fields, "metadata")
	return fields
}

// TestMaximum has the API server store the largest objects: created, edited, and with the largest status, which is then
// edited as well.
func TestMaximum(t *testing.T) {
	tests := map[string]struct {
		resource string
		object   client.Object
		edit     string
		// withoutManagedFields: the API server drops metadata.managedFields of an object that is too large for etcd
		// with them. Applying server-side then forgets what was applied before, and no longer removes what is taken out
		// of the manifest.
		withoutManagedFields bool
	}{
		"account with the largest selector": {
			resource: "vonageaccounts", object: maximumAccount(), edit: `{"spec": {"adoption": "Forbidden"}}`,
		},
		"room of 1000 with full connection data": {
			resource: "meetingrooms",
			object:   maximumRoom(maxParticipants, ascii, true, v1alpha1.TokenDeliverySecret, 0),
			edit:     `{"spec": {"displayName": "Other"}}`,
		},
		"room of 1000 with names of four-byte characters": {
			resource: "meetingrooms",
			object:   maximumRoom(maxParticipants, script, false, v1alpha1.TokenDeliverySecret, 0),
			edit:     `{"spec": {"displayName": "Other"}}`,
		},
		"room of 300 with full connection data and tokens of 1 KiB in status": {
			resource: "meetingrooms",
			object:   maximumRoom(maxStatusTokens, script, true, v1alpha1.TokenDeliveryStatus, 1024),
			edit:     `{"spec": {"displayName": "Other"}}`,
		},
		// 1000 bytes of connection data, every one of which JSON escapes, signed with a 2048-bit key.
		"room of 300 with the largest tokens in status": {
			resource: "meetingrooms",
			object:   maximumRoom(maxStatusTokens, script, false, v1alpha1.TokenDeliveryStatus, 3600),
			edit:     `{"spec": {"displayName": "Other"}}`,
		},
		"set of 500 rooms, as many that are being left, and 1000 people": {
			resource: "breakoutsets", object: maximumSet(ascii, maxRooms), edit: `{"spec": {"state": "Closed"}}`,
		},
		// With 400 rooms that are being left it would be too large for etcd.
		"set of 500 rooms, 350 that are being left, and 1000 people, with names of three-byte characters": {
			resource: "breakoutsets", object: maximumSet(han, 350), edit: `{"spec": {"state": "Closed"}}`,
			withoutManagedFields: true,
		},
		"recall of 1000 people with names of four-byte characters": {
			resource: "roomsignals", object: maximumRecall(), edit: `{"metadata": {"labels": {"edited": "yes"}}}`,
		},
		"signal to 501 rooms": {
			resource: "roomsignals", object: maximumSignal(), edit: `{"metadata": {"labels": {"edited": "yes"}}}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := newObject(tt.resource, map[string]any{})
			fields := fieldsOf(t, tt.object)
			object.Object["spec"] = fields["spec"]
			do(t, "create", object, k8s.Create(t.Context(), object))
			object.Object["status"] = fields["status"]
			do(t, "status update", object, k8s.Status().Update(t.Context(), object))
			patch := client.RawPatch("application/merge-patch+json", []byte(tt.edit))
			do(t, "edit", object, k8s.Patch(t.Context(), object, patch))
			patch = client.RawPatch("application/merge-patch+json", []byte(`{"status": {"observedGeneration": 2}}`))
			do(t, "status edit", object, k8s.Status().Patch(t.Context(), object, patch))
			if dropped := len(object.GetManagedFields()) == 0; dropped != tt.withoutManagedFields {
				t.Errorf("managed fields dropped: %t, want %t", dropped, tt.withoutManagedFields)
			}
			if got, want := size(t, object), etcdLimit; got > want {
				t.Errorf("the object has %d bytes, want at most %d", got, want)
			}
		})
	}
}

// do fails the test on an error, and logs how large the object is as the API server returned it, which is how it is
// stored.
func do(t *testing.T, step string, object *unstructured.Unstructured, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %s", step, shorten(answer(err)))
	}
	managed, err := json.Marshal(object.GetManagedFields())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d bytes, of which managed fields %d", step, size(t, object), len(managed))
}

func size(t *testing.T, object *unstructured.Unstructured) int {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return len(text)
}

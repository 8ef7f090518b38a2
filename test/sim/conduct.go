// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/sim/apiserver"
)

// notice is how long after a signal that moves them pages move at the soonest.
const notice = 5 * time.Second

// list is what a breakout-room signal says of rooms.
type list struct {
	Message       string
	BreakoutRooms []struct {
		Name, SessionID string
		MemberAssigned  []string
	}
}

// moves are those whom a signal sends to a room, with its session; none for other signals.
func moves(typ, data string) map[string]string {
	var l list
	if typ != "breakout-room" || json.Unmarshal([]byte(data), &l) != nil {
		return nil
	}
	moves := map[string]string{}
	for _, room := range l.BreakoutRooms {
		for _, name := range room.MemberAssigned {
			moves[name] = room.SessionID
		}
	}
	return moves
}

// needless tells of a call, when the operator has decided on it, why the API server says that it is needless; "" where
// it does not.
func (w *World) needless(ctx context.Context, op *Operation) string {
	name := objectOf(ctx)
	statusOf := func(plural string) map[string]any {
		for _, obj := range w.API.Objects(plural) {
			if m, _ := obj["metadata"].(apiserver.Object); m["name"] == name && m["namespace"] == Namespace {
				status, _ := obj["status"].(apiserver.Object)
				return status
			}
		}
		return nil
	}
	switch {
	case strings.HasPrefix(op.Key, createSessionKey):
		if statusOf("meetingrooms")["sessionID"] != nil {
			return "the room has a session"
		}
	case strings.HasPrefix(op.Key, "vonage post "):
		if statusOf("roomsignals")["completionTime"] != nil {
			return "the RoomSignal is done with"
		}
	}
	return ""
}

// judgeCall judges a call that is about to be made: it is needed, and whom it sends to a room can connect there.
func (w *World) judgeCall(op *Operation) {
	if op.needless != "" {
		w.violated("%s, and %s", op.Key, op.needless)
	}
	var signal struct{ Type, Data string }
	if op.Operator.stood ||
		json.Unmarshal([]byte(op.body), &signal) != nil { // who goes on after a while tells what was so before
		return
	}
	sent := moves(signal.Type, signal.Data)
	for _, name := range sortedKeys(sent) {
		if w.token(sent[name], name) == "" {
			w.violated("%s is sent to %s, and has no token for it", name, w.roomOf(sent[name]))
		}
	}
}

// JudgeHaste judges a rule: whoever has heard where to go is not told again before the page has gone there. It holds
// where one operator is at work at a time.
func (w *World) JudgeHaste() {
	heard := map[string]time.Time{}
	for _, c := range w.Vendor.Calls() {
		if c.Op != simulator.OpSignal || !c.Effective || c.Recipients == 0 {
			continue
		}
		sent := moves(c.SignalType, c.SignalData)
		for _, name := range sortedKeys(sent) {
			key := c.SessionID + " " + name
			if after := c.Time.Sub(heard[key]); after < notice {
				w.violated(
					"%s was told to move to %s %s after having been told before",
					name,
					w.roomOf(sent[name]),
					after,
				)
			}
			heard[key] = c.Time
		}
	}
}

// JudgeLeaving judges a rule: nobody was thrown out of a breakout room, which all have time to leave; and nobody is
// left in a session whose room is gone.
func (w *World) JudgeLeaving() {
	there := map[string]bool{}
	for _, room := range w.API.Objects("meetingrooms") {
		status, _ := room["status"].(apiserver.Object)
		session, _ := status["sessionID"].(string)
		there[session] = true
	}
	for _, name := range sortedKeys(w.People) {
		p := w.People[name]
		for _, session := range p.thrownOutOf {
			if room := w.roomOf(session); room != p.Joining.Main {
				w.violated("%s was thrown out of %s", name, room)
			}
		}
		for _, c := range p.connections {
			if !there[c.SessionID()] {
				w.violated("%s is connected to %s, which is gone", name, w.roomOf(c.SessionID()))
			}
		}
	}
}

// grantedRoles are the vendor's words for what roles may do.
var grantedRoles = map[v1alpha1.ParticipantRole]string{
	"":                       "publisher",
	v1alpha1.RoleParticipant: "publisher",
	v1alpha1.RoleHost:        "moderator",
	v1alpha1.RoleCoHost:      "moderator",
	v1alpha1.RoleViewer:      "subscriber",
}

// JudgeTokens judges a rule: where a room says that it is ready, everybody has a token that is good and of their role.
func (w *World) JudgeTokens() {
	var rooms v1alpha1.MeetingRoomList
	w.must(w.User.List(ctx(), &rooms, client.InNamespace(Namespace)))
	for _, room := range rooms.Items {
		if !room.DeletionTimestamp.IsZero() || IsReady(&room) != nil {
			continue
		}
		texts := map[v1alpha1.ParticipantName]string{}
		for _, t := range room.Status.Tokens {
			texts[t.Participant] = t.Token
			if t.SecretKeyRef != nil {
				texts[t.Participant] = w.secret(t.SecretKeyRef)
			}
		}
		for _, p := range room.Spec.Participants {
			info, err := w.Vendor.VerifyToken(texts[p.Name])
			var data struct{ Name string }
			_ = json.Unmarshal([]byte(info.Data), &data) // else it is nobody's
			switch {
			case err != nil:
				w.violated("room %s is ready, and %s's token is not good: %v", room.Name, p.Name, err)
			case info.SessionID != room.Status.SessionID, info.Role != grantedRoles[p.Role],
				data.Name != string(p.Name):
				w.violated(
					"room %s is ready, and %s, who is %s, has %s",
					room.Name,
					p.Name,
					p.Role,
					w.grant(texts[p.Name]),
				)
			}
		}
	}
}

// secret is the value of a Secret's key; "" when there is none.
func (w *World) secret(ref *v1alpha1.SecretKeyReference) string {
	secret := Get(w, &corev1.Secret{}, ref.Name)
	if secret == nil {
		return ""
	}
	return string(secret.Data[ref.Key])
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sampleapp

import (
	"slices"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// messageData is the data of a message signal. A message that the operator relays is approved by whoever wrote the
// RoomSignal.
type messageData struct {
	ID             string      `json:"id"`
	Sender         Participant `json:"sender"`
	Text           string      `json:"text"`
	IsApproved     bool        `json:"isApproved"`
	FromRoomName   string      `json:"fromRoomName"`
	ToBreakoutRoom *string     `json:"toBreakoutRoom"`
}

// raiseHandData is the data of a raise-hand signal.
type raiseHandData struct {
	Participant
	FromRoom raiseHandRoom `json:"fromRoom"`
}

type raiseHandRoom struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// RoomSignalTo is what a RoomSignal says to one of its targets. All are the rooms that exist, the main room first;
// roster are the people of the main room. The ID in messages and raised hands is the RoomSignal's UID, so that clients
// can drop repeats.
func RoomSignalTo(
	signal *v1alpha1.RoomSignal,
	to breakout.SignalTarget,
	all []breakout.SignalTarget,
	roster []v1alpha1.Participant,
) Signal {
	spec, uid := signal.Spec, string(signal.UID)
	switch {
	case spec.Message != nil:
		data := messageData{
			ID:           uid,
			Sender:       participantNamed(spec.Message.From, roster),
			Text:         spec.Message.Text,
			IsApproved:   true,
			FromRoomName: all[0].DisplayName,
		}
		if to.Name != mainRoom {
			data.ToBreakoutRoom = &to.DisplayName
		}
		return Signal{Type: TypeMessage, Data: string(encode(data))}
	case spec.RaiseHand != nil:
		data := raiseHandData{Participant: participantNamed(spec.RaiseHand.Participant, roster)}
		data.ID = uid
		data.FromRoom = raiseHandRoom{Name: string(spec.RaiseHand.Room)}
		if i := slices.IndexFunc(
			all,
			func(t breakout.SignalTarget) bool { return t.Name == spec.RaiseHand.Room },
		); i >= 0 {
			data.FromRoom = raiseHandRoom{ID: all[i].MeetingRoomName, Name: all[i].DisplayName}
		}
		return Signal{Type: TypeRaiseHand, Data: string(encode(data))}
	default:
		return Signal{Type: spec.Custom.Type, Data: spec.Custom.Data}
	}
}

// participantNamed is somebody as browsers know them; a name that is not on the roster is a participant's.
func participantNamed(name personName, roster []v1alpha1.Participant) Participant {
	var role v1alpha1.ParticipantRole
	if i := slices.IndexFunc(roster, func(p v1alpha1.Participant) bool { return p.Name == name }); i >= 0 {
		role = roster[i].Role
	}
	return ParticipantOf(name, role)
}

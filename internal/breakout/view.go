// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// View is what people should know: the rooms, who belongs where, who leads, and the timer. A set's status holds the
// planned view, which is what sessions were sent or are being sent.
type View struct {
	// MainDisplayName and MainSessionID are the main room's name in browsers and its session.
	MainDisplayName, MainSessionID string

	// MainParticipants are those who belong into the main room, in roster order.
	MainParticipants []v1alpha1.ParticipantName

	// Rooms are the open breakout rooms, in the spec's order; Leaving those that people are called out of.
	Rooms, Leaving []v1alpha1.BreakoutRoomStatus

	// Hosts and CoHosts are the participants of these roles, in roster order.
	Hosts, CoHosts []v1alpha1.ParticipantName

	// Timer is the countdown; nil when there is none.
	Timer *v1alpha1.TimerStatus

	// Mode is how people come to a room.
	Mode v1alpha1.BreakoutSetMode
}

// equal tells whether two views say the same of what is open.
func (v View) equal(w View) bool {
	v.Leaving, w.Leaving = nil, nil
	return equality.Semantic.DeepEqual(v, w)
}

// Planned is the view of a status.
func Planned(st *v1alpha1.BreakoutSetStatus) View {
	v := View{
		MainDisplayName: st.MainDisplayName, MainSessionID: st.MainSessionID, MainParticipants: st.MainParticipants,
		Hosts: st.Hosts, CoHosts: st.CoHosts, Timer: st.Timer, Mode: st.Mode,
	}
	for _, r := range st.Rooms {
		if r.State == v1alpha1.RoomLeaving {
			v.Leaving = append(v.Leaving, r)
		} else {
			v.Rooms = append(v.Rooms, r)
		}
	}
	return v
}

// write makes v the view of a status.
func (v View) write(st *v1alpha1.BreakoutSetStatus) {
	st.MainDisplayName, st.MainSessionID, st.MainParticipants = v.MainDisplayName, v.MainSessionID, v.MainParticipants
	st.Rooms, st.Hosts, st.CoHosts, st.Timer, st.Mode = slices.Concat(
		v.Rooms,
		v.Leaving,
	), v.Hosts, v.CoHosts, v.Timer, v.Mode
}

// Places is who belongs into which breakout room by this view.
func (v View) Places() Places {
	places := Places{}
	for _, r := range v.Rooms {
		for _, p := range r.Participants {
			places[p] = r.Name
		}
	}
	return places
}

// Room is the open room of that name; nil when the view has none.
func (v View) Room(name roomName) *v1alpha1.BreakoutRoomStatus {
	for i := range v.Rooms {
		if v.Rooms[i].Name == name {
			return &v.Rooms[i]
		}
	}
	return nil
}

// People are all people of the view, those of the main room first.
func (v View) People() []v1alpha1.ParticipantName {
	people := slices.Clone(v.MainParticipants)
	for _, r := range v.Rooms {
		people = append(people, r.Participants...)
	}
	return people
}

// Child is what is known of the MeetingRoom of a breakout room.
type Child struct {
	// MeetingRoomName is its name.
	MeetingRoomName string

	// SessionID is its session; empty when there is none yet.
	SessionID string

	// Ready is whether it has observed its generation and published every token that its spec asks for.
	Ready bool

	// Terminating is whether it is being deleted.
	Terminating bool

	// Tokens are those who have a valid token for it.
	Tokens map[v1alpha1.ParticipantName]bool
}

// ViewInput is what the view follows from.
type ViewInput struct {
	// Main is the main room.
	Main *v1alpha1.MeetingRoom

	// Rooms are the rooms that the set wants; Children their MeetingRooms by room name.
	Rooms    []v1alpha1.BreakoutRoomSpec
	Children map[v1alpha1.BreakoutRoomName]Child

	// Places is who should be where.
	Places Places

	// Planned is the planned view; the zero View when the set is not open.
	Planned View

	// Open is whether the set is open, so that the main room's name is fixed.
	Open bool

	// Linger keeps a room that is not wanted any more listed while people in it have another one to go to that is not
	// ready yet, so that they change rooms once.
	Linger bool

	// NamesFixed are the rooms that keep their names, since people are about to go to them by name; the room without a
	// name is any.
	NamesFixed map[v1alpha1.BreakoutRoomName]bool

	// Timer is the countdown.
	Timer *v1alpha1.TimerStatus

	// Mode is how people come to a room.
	Mode v1alpha1.BreakoutSetMode
}

// ViewOf is what people should know now. It lists the rooms that are ready, and those that people know of already as
// long as their session is the one they know; a person is where they should be if that room is listed and has their
// token, else where they were if that room is still listed, else in the main room. The second result names the rooms
// whose names had to be adjusted to be told apart.
func ViewOf(in ViewInput) (View, []v1alpha1.BreakoutRoomName) {
	v := View{
		MainDisplayName: in.Planned.MainDisplayName,
		MainSessionID:   in.Planned.MainSessionID,
		Timer:           in.Timer,
		Mode:            in.Mode,
	}
	if !in.Open {
		v.MainDisplayName, v.MainSessionID = DisplayNameOf(in.Main), in.Main.Status.SessionID
	}
	adjusted := v.listRooms(in)
	v.linger(in)
	v.seat(in)
	for _, p := range in.Main.Spec.Participants {
		switch p.Role {
		case v1alpha1.RoleHost:
			v.Hosts = append(v.Hosts, p.Name)
		case v1alpha1.RoleCoHost:
			v.CoHosts = append(v.CoHosts, p.Name)
		default: // leads nobody
		}
	}
	return v, adjusted
}

// Complete tells whether a view of this input has all that was asked for: every room that is wanted and is not on its
// way out, and everybody where they should be. What is missing may come in a moment.
func (in ViewInput) Complete(v View) bool {
	coming := func(name roomName) bool { return !in.Children[name].Terminating }
	for _, r := range in.Rooms {
		if v.Room(r.Name) == nil && coming(r.Name) {
			return false
		}
	}
	places := v.Places()
	return !slices.ContainsFunc(in.Main.Spec.Participants, func(p v1alpha1.Participant) bool {
		target, wanted := in.Places[p.Name]
		return wanted && coming(target) && places[p.Name] != target
	})
}

// listRooms lists the rooms that people may know of, under names that tell them apart. A room that was made anew is
// listed when people were called out of the one before.
func (v *View) listRooms(in ViewInput) []roomName {
	known := slices.Concat(in.Planned.Rooms, in.Planned.Leaving)
	taken := in.takenNames(known)
	taken[v.MainDisplayName] = mainRoom
	var adjusted []roomName
	for _, r := range in.Rooms {
		child, exists := in.Children[r.Name]
		open := in.Planned.Room(r.Name) != nil
		anew := slices.ContainsFunc(
			known,
			func(k v1alpha1.BreakoutRoomStatus) bool { return k.Name == r.Name && k.SessionID != child.SessionID },
		)
		if !open && len(known)+len(v.Rooms) >= 2*maxRooms {
			continue // until some of those that people are called out of are gone
		}
		if !exists || child.Terminating || child.SessionID == "" || anew || (!child.Ready && !open) {
			continue
		}
		name := uniqueName(r, taken)
		is := func(k v1alpha1.BreakoutRoomStatus) bool { return k.Name == r.Name }
		if i := slices.IndexFunc(known, is); i >= 0 && in.fixed(r.Name) {
			name = known[i].DisplayName
		} else if name != wantedName(r) {
			adjusted = append(adjusted, r.Name)
		}
		taken[name] = r.Name
		status := v1alpha1.BreakoutRoomStatus{
			Name:            r.Name,
			DisplayName:     name,
			MeetingRoomName: child.MeetingRoomName,
			SessionID:       child.SessionID,
		}
		if r.MaxParticipants != nil {
			status.MaxParticipants = *r.MaxParticipants
		}
		v.Rooms = append(v.Rooms, status)
	}
	return adjusted
}

// takenNames are the names that known rooms keep.
func (in ViewInput) takenNames(known []v1alpha1.BreakoutRoomStatus) map[string]roomName {
	taken := map[string]roomName{}
	for _, r := range known {
		if in.fixed(r.Name) || r.State == v1alpha1.RoomLeaving ||
			slices.ContainsFunc(in.Rooms, func(w v1alpha1.BreakoutRoomSpec) bool {
				name := wantedName(w)
				return w.Name == r.Name && (r.DisplayName == name || strings.HasPrefix(r.DisplayName, name+" ("))
			}) {
			taken[r.DisplayName] = r.Name
		}
	}
	return taken
}

// fixed tells whether a room keeps its name.
func (in ViewInput) fixed(room roomName) bool { return in.NamesFixed[room] || in.NamesFixed[""] }

// maxRooms is how many rooms a status can list.
const maxRooms = 500

// linger lists the rooms that are not wanted any more and whose people have somewhere to go that is not ready yet.
func (v *View) linger(in ViewInput) {
	if !in.Linger {
		return
	}
	for _, r := range in.Planned.Rooms {
		child, exists := in.Children[r.Name]
		wanted := slices.ContainsFunc(in.Rooms, func(s v1alpha1.BreakoutRoomSpec) bool { return s.Name == r.Name })
		if wanted || !exists || child.Terminating || child.SessionID != r.SessionID || len(v.Rooms) >= maxRooms {
			continue
		}
		if slices.ContainsFunc(r.Participants, func(p personName) bool { return v.mustWait(in, p) }) {
			r.Participants = nil
			v.Rooms = append(v.Rooms, r)
		}
	}
}

// mustWait tells whether somebody should be in another breakout room that is not listed yet, or has no token for them
// yet.
func (v *View) mustWait(in ViewInput, p personName) bool {
	onRoster := slices.ContainsFunc(in.Main.Spec.Participants, func(q v1alpha1.Participant) bool { return q.Name == p })
	target, wanted := in.Places[p]
	return onRoster && wanted && (v.Room(target) == nil || !in.Children[target].Tokens[p])
}

// seat puts everybody of the roster into a listed room or into the main room.
func (v *View) seat(in ViewInput) {
	index := make(map[roomName]int, len(v.Rooms))
	for i, r := range v.Rooms {
		index[r.Name] = i
	}
	before := in.Planned.Places()
	for _, p := range in.Main.Spec.Participants {
		target, wanted := in.Places[p.Name]
		if i, listed := index[target]; wanted && listed && in.Children[target].Tokens[p.Name] {
			v.Rooms[i].Participants = append(v.Rooms[i].Participants, p.Name)
		} else if i, listed := index[before[p.Name]]; wanted && listed {
			v.Rooms[i].Participants = append(v.Rooms[i].Participants, p.Name)
		} else {
			v.MainParticipants = append(v.MainParticipants, p.Name)
		}
	}
}

// RoomsOf are the rooms that a set asks for, listed or counted, each with its own or the set's maxParticipants (nil: no
// limit).
func RoomsOf(spec *v1alpha1.BreakoutSetSpec) []v1alpha1.BreakoutRoomSpec {
	rooms := slices.Clone(spec.Rooms)
	if spec.Replicas != nil && len(rooms) == 0 {
		for i := range *spec.Replicas {
			rooms = append(rooms, v1alpha1.BreakoutRoomSpec{Name: roomName(fmt.Sprintf("room-%d", i+1))})
		}
	}
	for i := range rooms {
		if rooms[i].MaxParticipants == nil {
			rooms[i].MaxParticipants = spec.MaxParticipants
		}
		if rooms[i].MaxParticipants != nil && *rooms[i].MaxParticipants == 0 {
			rooms[i].MaxParticipants = nil
		}
	}
	return rooms
}

// DisplayNameOf is the name under which people know a meeting room.
func DisplayNameOf(room *v1alpha1.MeetingRoom) string {
	if room.Spec.DisplayName != "" {
		return room.Spec.DisplayName
	}
	return room.Name
}

func wantedName(r v1alpha1.BreakoutRoomSpec) string {
	if r.DisplayName != "" {
		return r.DisplayName
	}
	return string(r.Name)
}

// uniqueName is the name that a room is shown under: the one it wants, with a number behind it where another room has
// that.
func uniqueName(r v1alpha1.BreakoutRoomSpec, taken map[string]roomName) string {
	name := wantedName(r)
	for i := 2; taken[name] != "" && taken[name] != r.Name; i++ {
		name = fmt.Sprintf("%s (%d)", wantedName(r), i)
	}
	return name
}

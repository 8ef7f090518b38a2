// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// Request is what people ask for beside a change of the spec.
type Request struct {
	// Resend sends everything again, and puts everybody with a place on the move.
	Resend bool

	// Recall are those who are to be sent to where they belong.
	Recall []v1alpha1.ParticipantName
}

// IsEmpty tells whether nothing is asked for.
func (r Request) IsEmpty() bool { return !r.Resend && len(r.Recall) == 0 }

// PlanOpening makes v the view of a status that has none, and owes it to the main room: nobody is in a breakout room
// yet.
func PlanOpening(st *v1alpha1.BreakoutSetStatus, v View, now time.Time) {
	p := newPlanner(st, View{}, v, now)
	for _, r := range v.Rooms {
		st.Signals.Moving = append(st.Signals.Moving, r.Participants...)
	}
	if v.Timer != nil {
		p.owe(mainRoom, v1alpha1.SignalCountdown)
	}
	switch {
	case len(v.Rooms) == 0:
	case v.Mode == v1alpha1.ModeChoose:
		p.owe(mainRoom, v1alpha1.SignalPrompt)
		if len(st.Signals.Moving) > 0 {
			p.owe(mainRoom, v1alpha1.SignalMoves)
		}
	default:
		p.owe(mainRoom, v1alpha1.SignalOpening)
		if intersects(v.Hosts, st.Signals.Moving) { // whom the opening itself does not move
			p.owe(mainRoom, v1alpha1.SignalMoves)
		}
	}
	if len(v.CoHosts) > 0 {
		p.owe(mainRoom, v1alpha1.SignalRoles)
	}
	p.write()
}

// PlanUpdate makes v the view of an open set's status, and owes each session that is concerned what differs from the
// view before. It reports whether the status changed. What a session was owed before it is still owed, in the present
// state.
func PlanUpdate(st *v1alpha1.BreakoutSetStatus, v View, asked Request, now time.Time) bool {
	old := Planned(st)
	v.Leaving = slices.DeleteFunc(
		slices.Clone(old.Leaving),
		func(r v1alpha1.BreakoutRoomStatus) bool { return sameRoom(v.Rooms, r) },
	)
	if old.equal(v) && len(old.Leaving) == len(v.Leaving) && asked.IsEmpty() {
		return false
	}
	p := newPlanner(st, old, v, now)
	p.rooms()
	p.moves(asked)
	if v.Timer != nil && (asked.Resend || !equality.Semantic.DeepEqual(old.Timer, v.Timer)) {
		p.oweAll(v1alpha1.SignalCountdown)
	}
	if asked.Resend {
		p.oweAll(v1alpha1.SignalRooms, v1alpha1.SignalRoles)
	}
	if !slices.Equal(old.Hosts, v.Hosts) || !slices.Equal(old.CoHosts, v.CoHosts) {
		p.oweAll(v1alpha1.SignalRoles)
		for _, r := range v.Rooms {
			if before := old.Room(r.Name); before != nil && v.leads(r) && !old.leads(*before) {
				p.owe(r.Name, v1alpha1.SignalRooms) // who leads sees all rooms
			}
		}
	}
	if v.Mode == v1alpha1.ModeChoose && (old.Mode != v.Mode || asked.Resend) {
		p.owe(mainRoom, v1alpha1.SignalPrompt)
	}
	p.write()
	return true
}

// PlanClosing makes the view one without breakout rooms, and owes every session that all come back, from notBefore on.
func PlanClosing(st *v1alpha1.BreakoutSetStatus, notBefore, now time.Time) {
	v := Planned(st)
	p := newPlanner(st, v, v, now)
	st.Signals.Moving = nil
	st.Signals.Sessions = slices.DeleteFunc(
		slices.Clone(st.Signals.Sessions),
		func(e v1alpha1.SessionSignals) bool { return p.known[e.Room] },
	)
	for _, r := range v.Rooms {
		r.Participants, r.State = nil, v1alpha1.RoomLeaving
		v.Leaving = append(v.Leaving, r)
	}
	v.MainParticipants, v.Rooms = v.People(), nil
	runs := v.Timer != nil && v.Timer.DurationSeconds > 0 && v.Timer.EndTime.After(notBefore)
	if runs {
		v.Timer = NoEnd(now)
	}
	p.v = v
	if len(v.Leaving) > 0 {
		if runs {
			p.oweAll(v1alpha1.SignalCountdown)
		}
		p.oweAll(v1alpha1.SignalRemoval)
	}
	p.write()
	for i := range st.Signals.Sessions {
		if e := &st.Signals.Sessions[i]; p.known[e.Room] {
			e.Time = metav1.NewMicroTime(later(notBefore, now))
		}
	}
}

// planner owes sessions what differs between two views.
type planner struct {
	st     *v1alpha1.BreakoutSetStatus
	old, v View
	now    time.Time
	known  map[roomName]bool // see IsKnown
	owed   bool
}

func newPlanner(st *v1alpha1.BreakoutSetStatus, old, v View, now time.Time) *planner {
	p := &planner{st: st, old: old, v: v, now: now, known: map[roomName]bool{mainRoom: true}}
	for _, r := range slices.Concat(old.Rooms, old.Leaving) {
		p.known[r.Name] = IsKnown(st, r.Name)
	}
	return p
}

// owe has a session be sent messages that it has not been sent.
func (p *planner) owe(room roomName, kinds ...v1alpha1.SignalKind) {
	if !p.known[room] {
		return // who is left there was called out
	}
	p.owed = true
	s := &p.st.Signals
	i := slices.IndexFunc(s.Sessions, func(e v1alpha1.SessionSignals) bool { return e.Room == room })
	if i < 0 {
		i = len(s.Sessions)
		e := v1alpha1.SessionSignals{Room: room, Reason: v1alpha1.RepeatingReason}
		if p.old.MainSessionID != "" {
			e.Revision = s.Revision // it has had the state before
		}
		s.Sessions = append(s.Sessions, e)
	}
	e := &s.Sessions[i]
	e.Messages = slices.Clone(e.Messages)
	if e.Reason == v1alpha1.RepeatingReason {
		e.Reason, e.Time = v1alpha1.PendingReason, metav1.NewMicroTime(p.now)
		e.Messages = slices.DeleteFunc(e.Messages, func(k v1alpha1.SignalKind) bool { // the others it has had
			return k != v1alpha1.SignalMoves && k != v1alpha1.SignalCountdown
		})
	}
	for _, k := range kinds {
		if !slices.Contains(e.Messages, k) {
			e.Messages = append(e.Messages, k)
		}
	}
	slices.SortFunc(e.Messages, func(a, b v1alpha1.SignalKind) int {
		return cmp.Compare(slices.Index(order, a), slices.Index(order, b))
	})
}

// order is in which order a session is sent the messages of one state.
var order = []v1alpha1.SignalKind{
	v1alpha1.SignalCountdown,
	v1alpha1.SignalRooms,
	v1alpha1.SignalOpening,
	v1alpha1.SignalAdded,
	v1alpha1.SignalMoves,
	v1alpha1.SignalRemoval,
	v1alpha1.SignalPrompt,
	v1alpha1.SignalRoles,
}

// oweAll owes messages to every session that people can be in.
func (p *planner) oweAll(kinds ...v1alpha1.SignalKind) {
	p.owe(mainRoom, kinds...)
	for _, r := range slices.Concat(p.v.Rooms, p.v.Leaving) {
		if sameRoom(p.old.Rooms, r) || sameRoom(p.old.Leaving, r) {
			p.owe(r.Name, kinds...)
		}
	}
}

// oweLeaders owes messages to those who see all rooms: the main room and the breakout rooms that somebody who leads
// belongs to.
func (p *planner) oweLeaders(kind v1alpha1.SignalKind) {
	p.owe(mainRoom, kind)
	for _, r := range p.v.Rooms {
		if sameRoom(p.old.Rooms, r) && p.v.leads(r) {
			p.owe(r.Name, kind)
		}
	}
}

// leads tells whether somebody who leads belongs to a room.
func (v View) leads(r v1alpha1.BreakoutRoomStatus) bool {
	return intersects(r.Participants, v.Hosts) || intersects(r.Participants, v.CoHosts)
}

// rooms owes what became of the rooms.
func (p *planner) rooms() {
	for _, r := range p.v.Rooms {
		switch before := p.old.Room(r.Name); {
		case before != nil && (before.DisplayName != r.DisplayName || before.MaxParticipants != r.MaxParticipants):
			p.oweLeaders(v1alpha1.SignalRooms)
			p.owe(r.Name, v1alpha1.SignalRooms)
		case before == nil && sameRoom(p.old.Leaving, r):
			p.drop(r.Name, v1alpha1.SignalRemoval)
			if !slices.ContainsFunc(p.v.Leaving, func(l v1alpha1.BreakoutRoomStatus) bool { return p.known[l.Name] }) {
				p.drop(mainRoom, v1alpha1.SignalRemoval)
			}
			p.oweLeaders(v1alpha1.SignalAdded)
		case before == nil:
			p.oweLeaders(v1alpha1.SignalAdded)
		}
	}
	for _, r := range p.old.Rooms {
		if sameRoom(p.v.Rooms, r) {
			continue
		}
		r.Participants, r.State = nil, v1alpha1.RoomLeaving
		p.v.Leaving = append(p.v.Leaving, r)
		p.owe(r.Name, v1alpha1.SignalMoves, v1alpha1.SignalRemoval)
		p.oweLeaders(v1alpha1.SignalRooms)
		p.owe(mainRoom, v1alpha1.SignalRemoval)
	}
}

// drop takes back what a session is owed.
func (p *planner) drop(room roomName, kind v1alpha1.SignalKind) {
	for i := range p.st.Signals.Sessions {
		if e := &p.st.Signals.Sessions[i]; e.Room == room {
			e.Messages = slices.DeleteFunc(
				slices.Clone(e.Messages),
				func(k v1alpha1.SignalKind) bool { return k == kind },
			)
		}
	}
}

// moves puts those on the move who belong elsewhere than before, or are asked for, and owes that to the sessions that
// they can be in.
func (p *planner) moves(asked Request) {
	before, after, s := p.old.Places(), p.v.Places(), &p.st.Signals
	var moving []personName
	for _, name := range p.v.People() {
		from, to := orMain(before[name]), orMain(after[name])
		was := slices.Contains(s.Moving, name)
		recalled := slices.Contains(asked.Recall, name) || asked.Resend && to != mainRoom
		// Who chose a room can be anywhere.
		chose := p.old.Mode == v1alpha1.ModeChoose &&
			(from != to || p.v.Mode != p.old.Mode && !slices.Contains(p.v.Hosts, name))
		switch {
		case recalled, chose:
			p.oweAll(v1alpha1.SignalMoves)
		case from != to:
			p.oweLeaders(v1alpha1.SignalMoves)
			if p.old.Room(from) != nil {
				p.owe(from, v1alpha1.SignalMoves)
			}
			if was {
				p.oweWhereMoving()
			}
		case !was:
			continue
		}
		moving = append(moving, name)
	}
	s.Moving = moving
}

// oweWhereMoving owes the moves anew to the sessions in which people on the move were looked for.
func (p *planner) oweWhereMoving() {
	for _, e := range slices.Clone(p.st.Signals.Sessions) {
		if slices.Contains(e.Messages, v1alpha1.SignalMoves) {
			p.owe(e.Room, v1alpha1.SignalMoves)
		}
	}
}

// revisionStep is by how much revisions grow at least: messages that are repeated have revisions in between.
const revisionStep = 100

// write makes the view the status's. A session that is sent messages again and is not concerned has the present state.
func (p *planner) write() {
	p.v.write(p.st)
	if !p.owed {
		return
	}
	s := &p.st.Signals
	s.Revision = max(s.Revision+revisionStep, p.now.UnixMilli())
	for i := range s.Sessions {
		if e := &s.Sessions[i]; e.Reason == v1alpha1.RepeatingReason {
			e.Revision = s.Revision
		}
	}
}

// IsOpening tells whether an open set's people were not sent yet that it is open.
func IsOpening(st *v1alpha1.BreakoutSetStatus) bool {
	return slices.ContainsFunc(
		Lagging(st),
		func(e v1alpha1.SessionSignals) bool { return e.Room == mainRoom && e.Revision == 0 },
	)
}

// SessionOf is the session of a room that the status has; empty when there is none of that name.
func SessionOf(st *v1alpha1.BreakoutSetStatus, room v1alpha1.BreakoutRoomName) string {
	if room == mainRoom {
		return st.MainSessionID
	}
	for _, r := range st.Rooms {
		if r.Name == room {
			return r.SessionID
		}
	}
	return ""
}

// Lagging are the sessions that have not had the present state.
func Lagging(st *v1alpha1.BreakoutSetStatus) []v1alpha1.SessionSignals {
	return slices.DeleteFunc(
		slices.Clone(st.Signals.Sessions),
		func(e v1alpha1.SessionSignals) bool { return e.Revision == st.Signals.Revision },
	)
}

// ForgetRooms drops the rooms that people were called out of and that are gone.
func ForgetRooms(st *v1alpha1.BreakoutSetStatus, gone func(r v1alpha1.BreakoutRoomStatus) bool) {
	drop := func(r v1alpha1.BreakoutRoomStatus) bool {
		return r.State == v1alpha1.RoomLeaving && !IsKnown(st, r.Name) && gone(r)
	}
	left := slices.DeleteFunc(slices.Clone(st.Rooms), drop)
	if len(left) == len(st.Rooms) {
		return
	}
	st.Signals.Sessions = slices.DeleteFunc(slices.Clone(st.Signals.Sessions), func(e v1alpha1.SessionSignals) bool {
		return e.Room != mainRoom &&
			!slices.ContainsFunc(left, func(r v1alpha1.BreakoutRoomStatus) bool { return r.Name == e.Room })
	})
	st.Rooms = left
}

// IsKnown tells whether people may take a room to be open: it is, or its session was not sent yet that it is not.
func IsKnown(st *v1alpha1.BreakoutSetStatus, room v1alpha1.BreakoutRoomName) bool {
	i := slices.IndexFunc(st.Rooms, func(r v1alpha1.BreakoutRoomStatus) bool { return r.Name == room })
	if i < 0 || st.Rooms[i].State != v1alpha1.RoomLeaving {
		return i >= 0
	}
	return slices.ContainsFunc(Lagging(st), func(e v1alpha1.SessionSignals) bool {
		return e.Room == room && slices.Contains(e.Messages, v1alpha1.SignalRemoval)
	})
}

// LeftAt is when the session of a room was sent that the room is gone; zero when it was not, or that is long ago.
func LeftAt(st *v1alpha1.BreakoutSetStatus, room v1alpha1.BreakoutRoomName) time.Time {
	for _, e := range st.Signals.Sessions {
		if e.Room == room && e.Revision == st.Signals.Revision {
			return e.Time.Time
		}
	}
	return time.Time{}
}

// sameRoom tells whether a room is among others, with its session.
func sameRoom(rooms []v1alpha1.BreakoutRoomStatus, r v1alpha1.BreakoutRoomStatus) bool {
	return slices.ContainsFunc(
		rooms,
		func(o v1alpha1.BreakoutRoomStatus) bool { return o.Name == r.Name && o.SessionID == r.SessionID },
	)
}

func intersects[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(e T) bool { return slices.Contains(b, e) })
}

func orMain(room roomName) roomName { return cmp.Or(room, mainRoom) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// PlanOpening makes v the planned view of a status that has none and plans to tell everybody that the rooms are open.
func PlanOpening(st *v1alpha1.BreakoutSetStatus, v View, now time.Time) {
	names := make([]roomName, len(v.Rooms))
	var moved []v1alpha1.PendingMove
	for i, r := range v.Rooms {
		names[i] = r.Name
		for _, p := range r.Participants {
			moved = append(moved, v1alpha1.PendingMove{Participant: p, From: mainRoom})
		}
	}
	v.write(st)
	st.Signals.Failed = nil
	st.Signals.RecentMoves, st.Signals.RenamedAt, st.Signals.FormerNames = nil, nil, nil
	p := &v1alpha1.PendingSignals{NewRooms: names, Moved: moved}
	if len(v.Rooms) > 0 {
		p.Announcement = v1alpha1.AnnounceOpening
	}
	if v.Timer != nil {
		p.Timer = v1alpha1.TimerSet
	}
	setPending(st, p, now)
}

// PlanUpdate makes v the planned view of an open set's status and plans to tell everybody what is different, together with what they were
// not told yet of the plan before; and the rooms and the timer once more if resend asks for that. It reports whether the status changed.
//
// The difference is taken from the last planned view, told or not, since anyone may have heard of it. Rooms keep their names while browsers
// cannot learn new ones; RenamesHeld tells until when.
func PlanUpdate(st *v1alpha1.BreakoutSetStatus, v View, resend bool, now time.Time) bool {
	old := Planned(st)
	if held, _ := RenamesHeld(st, now); held {
		v = withNamesOf(v, old.Rooms)
	}
	if p := st.Signals.Pending; p != nil {
		v = withNamesOf(v, p.Removed) // back again before all knew that they were gone
	}
	if old.Equal(v) && !resend {
		return false
	}
	former, _ := FormerNames(st, now)
	st.Signals.FormerNames = append(former, renamed(old, v)...)
	p := merge(st, difference(old, v), v, now)
	p.FormerEnds = formerEnds(st, p.Timer, now)
	makeUp := len(st.Signals.Failed) > 0 && !isEmpty(p) // to sessions that could not be told of a change before
	lists := len(p.Added) + len(p.Edited) + len(p.Removed) + len(p.Moved)
	if p.Announcement == "" && (resend || (makeUp && lists == 0)) {
		p.Announcement = v1alpha1.AnnounceResend
	}
	if p.Timer == "" && v.Timer != nil && (resend || makeUp) {
		p.Timer = v1alpha1.TimerSet
	}
	v.write(st)
	if !isEmpty(p) || st.Signals.Pending != nil {
		setPending(st, p, now)
	}
	return true
}

// RenamesHeld tells whether rooms keep their names for now, and until when: zero when that is until what is pending is settled.
//
// A browser learns the new name of the room that it is in, only of that one, 5 seconds later, and not when it changes rooms meanwhile or is still
// learning another name. One that knows a wrong name goes back to the main room with the next removal of any room.
func RenamesHeld(st *v1alpha1.BreakoutSetStatus, now time.Time) (bool, time.Time) {
	if p := st.Signals.Pending; p != nil && (p.Announcement != "" || len(p.Added)+len(p.Edited)+len(p.Moved)+len(p.Removed) > 0) {
		return true, time.Time{}
	}
	until := busyUntil(st)
	if !until.After(now) {
		return false, time.Time{}
	}
	return true, until
}

// FormerNames are the names that rooms had until they were renamed and that browsers may still know them by, and until when: zero when that is
// until what is pending is settled. A browser whose room's old name is that of another room would not notice that its room has a new name, or is
// gone.
func FormerNames(st *v1alpha1.BreakoutSetStatus, now time.Time) ([]v1alpha1.FormerName, time.Time) {
	if p := st.Signals.Pending; p != nil && len(p.Edited) > 0 {
		return st.Signals.FormerNames, time.Time{}
	}
	if at := st.Signals.RenamedAt; at != nil && at.Add(reactionTime).After(now) {
		return st.Signals.FormerNames, at.Add(reactionTime)
	}
	return nil, time.Time{}
}

// renamed are the names that rooms of the old view have no longer.
func renamed(old, v View) []v1alpha1.FormerName {
	var former []v1alpha1.FormerName
	for _, r := range old.Rooms {
		if now := sameRoom(v.Rooms, r); now != nil && now.DisplayName != r.DisplayName {
			former = append(former, v1alpha1.FormerName{Room: r.Name, DisplayName: r.DisplayName})
		}
	}
	return former
}

// busyUntil is when browsers have acted on what they were told last: to move, or that a room has another name.
func busyUntil(st *v1alpha1.BreakoutSetStatus) time.Time {
	until := movesUntil(st.Signals.RecentMoves)
	if st.Signals.RenamedAt != nil {
		until = later(until, st.Signals.RenamedAt.Add(reactionTime))
	}
	return until
}

// withNamesOf is v with the names that its rooms have among the known ones.
func withNamesOf(v View, known []v1alpha1.BreakoutRoomStatus) View {
	v.Rooms = slices.Clone(v.Rooms)
	for i, r := range v.Rooms {
		if k := sameRoom(known, r); k != nil {
			v.Rooms[i].DisplayName = k.DisplayName
		}
	}
	return v
}

// sameRoom is the one among rooms that has the name and the session of another; nil when there is none.
func sameRoom(rooms []v1alpha1.BreakoutRoomStatus, r v1alpha1.BreakoutRoomStatus) *v1alpha1.BreakoutRoomStatus {
	for i := range rooms {
		if rooms[i].Name == r.Name && rooms[i].SessionID == r.SessionID {
			return &rooms[i]
		}
	}
	return nil
}

// PlanClosing makes the planned view one without breakout rooms and plans to tell everybody to come back, not before farewellAt.
func PlanClosing(st *v1alpha1.BreakoutSetStatus, farewellAt, now time.Time) {
	p := &v1alpha1.PendingSignals{Removed: slices.Clone(st.Rooms)}
	if old := st.Signals.Pending; old != nil {
		p.Removed = append(p.Removed, old.Removed...)
		if len(old.Moved)+len(old.Edited)+len(old.Removed) > 0 { // which may have been said
			farewellAt = later(farewellAt, now.Add(reactionTime))
		}
	}
	if len(p.Removed)+len(st.Signals.Failed) > 0 { // who could not be told that the last rooms are gone is told now
		p.Announcement = v1alpha1.AnnounceClosing
	}
	farewellAt = later(later(farewellAt, busyUntil(st)), settling(st))
	for _, end := range returns(st) {
		if mayReturnBy(end, farewellAt) {
			farewellAt = later(farewellAt, end.Add(reactionTime))
		}
	}
	p.Timer = timerAtClosing(st, farewellAt)
	if farewellAt.After(now) {
		p.NotBefore = microTime(farewellAt)
	}
	v := Planned(st)
	v.MainParticipants, v.Rooms, v.Timer = v.people(), nil, nil
	v.write(st)
	setPending(st, p, now)
}

// timerAtClosing is what is to be said of the countdown when all come back at farewellAt: one that still runs then ends.
func timerAtClosing(st *v1alpha1.BreakoutSetStatus, farewellAt time.Time) v1alpha1.TimerChange {
	pending := v1alpha1.TimerChange("")
	if st.Signals.Pending != nil {
		pending = st.Signals.Pending.Timer
	}
	switch {
	case st.Timer != nil && (pending != "" || st.Timer.EndTime.After(farewellAt)):
		return v1alpha1.TimerClear
	case st.Timer == nil:
		return pending
	default:
		return ""
	}
}

// difference is what is to be said to those who know the old view, so that they know the new one.
func difference(old, v View) *v1alpha1.PendingSignals {
	p := &v1alpha1.PendingSignals{}
	for _, r := range v.Rooms {
		switch before := old.room(r.Name); {
		case before == nil || before.SessionID != r.SessionID:
			p.Added = append(p.Added, r.Name)
		case before.DisplayName != r.DisplayName || before.MaxParticipants != r.MaxParticipants:
			p.Edited = append(p.Edited, r.Name)
		}
	}
	p.NewRooms = slices.Clone(p.Added)
	for _, r := range old.Rooms {
		if after := v.room(r.Name); after == nil || after.SessionID != r.SessionID {
			p.Removed = append(p.Removed, r)
		}
	}
	p.Moved = movesBetween(old, v)
	p.Timer = timerChange(old.Timer, v.Timer)
	p.Roles = roleChanges(old, v)
	if v.Mode == v1alpha1.ModeChoose && old.Mode != v.Mode {
		p.Announcement = v1alpha1.AnnounceResend
	}
	return p
}

// movesBetween are those who were somewhere by the old view and belong somewhere else by the new one. Somebody new to the meeting counts as
// having been in the main room.
func movesBetween(old, v View) []v1alpha1.PendingMove {
	var moved []v1alpha1.PendingMove
	before, after := old.Places(), v.Places()
	for _, p := range v.people() {
		if from, to := before[p], after[p]; from != to {
			moved = append(moved, v1alpha1.PendingMove{Participant: p, From: orMain(from)})
		}
	}
	return moved
}

func timerChange(old, v *v1alpha1.TimerStatus) v1alpha1.TimerChange {
	switch {
	case equality.Semantic.DeepEqual(old, v):
		return ""
	case v == nil:
		return v1alpha1.TimerClear
	default:
		return v1alpha1.TimerSet
	}
}

// roleChanges are the people of the new view who lead, or led, otherwise by the old one.
func roleChanges(old, v View) []personName {
	var changed []personName
	oldRoles, roles := leaders(old), leaders(v)
	for _, p := range v.people() {
		if oldRoles[p] != roles[p] {
			changed = append(changed, p)
		}
	}
	return changed
}

// leaders is the role of those who lead.
func leaders(v View) map[personName]v1alpha1.ParticipantRole {
	roles := make(map[personName]v1alpha1.ParticipantRole, len(v.Hosts)+len(v.CoHosts))
	for _, p := range v.Hosts {
		roles[p] = v1alpha1.RoleHost
	}
	for _, p := range v.CoHosts {
		roles[p] = v1alpha1.RoleCoHost
	}
	return roles
}

// merge restates against v what the status has still pending, together with the difference d of v from the planned view.
func merge(st *v1alpha1.BreakoutSetStatus, d *v1alpha1.PendingSignals, v View, now time.Time) *v1alpha1.PendingSignals {
	old := st.Signals.Pending
	if old == nil {
		old = &v1alpha1.PendingSignals{}
	}
	sent, busy := maybeSent(st, now)
	moved := mergeMoves(old, d, v, sent, now)
	if busy {
		st.Signals.RenamedAt = microTime(now)
	}
	p := &v1alpha1.PendingSignals{
		Announcement: old.Announcement,
		NewRooms:     slices.DeleteFunc(slices.Clone(d.NewRooms), func(r roomName) bool { return sameRoom(old.Removed, *v.room(r)) != nil }),
		Added:        union(stillListed(old.Added, v), d.Added),
		Removed:      append(stillGone(old.Removed, v), d.Removed...),
		Moved:        moved,
		Timer:        mergeTimer(old.Timer, d.Timer, v.Timer),
		Roles:        union(old.Roles, d.Roles),
	}
	if p.Announcement == v1alpha1.AnnounceOpening && len(v.Rooms) == 0 {
		p.Announcement = "" // there is nothing open any more
	}
	if p.Announcement == "" {
		p.Announcement = d.Announcement
	}
	p.Edited = slices.DeleteFunc(union(old.Edited, d.Edited), func(r roomName) bool {
		if slices.Contains(p.Added, r) { // said by that, but to whoever is in a room that is back again: they know its former name
			return !slices.Contains(old.Edited, r) || slices.Contains(p.NewRooms, r)
		}
		// Also of doomed rooms: people find out that theirs is gone by its name.
		return v.room(r) == nil && !slices.ContainsFunc(p.Removed, func(gone v1alpha1.BreakoutRoomStatus) bool { return gone.Name == r })
	})
	return p
}

// maybeSent are those whom the plan so far may have told to move, and whether it may have told that rooms are renamed or gone: whatever is in a
// step that was due. A countdown that calls people back can also have put off since what was due before.
func maybeSent(st *v1alpha1.BreakoutSetStatus, now time.Time) (map[personName]bool, bool) {
	sent, busy := map[personName]bool{}, false
	steps, _ := NextSteps(st, now)
	for _, step := range steps {
		busy = busy || step.keepsBusy(st.Signals.Pending)
		for _, p := range step.Moves {
			sent[p] = true
		}
	}
	if p := st.Signals.Pending; p != nil && !calledBack(st, now).IsZero() {
		busy = len(p.Edited)+len(p.Removed) > 0
		for _, m := range p.Moved {
			sent[m.Participant] = true
		}
	}
	return sent, busy
}

// mergeMoves are the moves still to be said: those of the plan before, from where people were before it, and the new ones.
//
// Of the plan before, who cannot have been told is told only if they still belong elsewhere. The others may have been told, and their browsers
// may be about to act on it: they are told in any case, after that.
func mergeMoves(old, d *v1alpha1.PendingSignals, v View, sent map[personName]bool, now time.Time) []v1alpha1.PendingMove {
	moves, after := map[personName]v1alpha1.PendingMove{}, v.Places()
	pending := make(map[personName]bool, len(old.Moved))
	for _, m := range old.Moved {
		pending[m.Participant] = true
		switch maybeBefore := m.NotBefore != nil; {
		case sent[m.Participant]:
			m.NotBefore = microTime(now.Add(reactionTime))
		case !maybeBefore && orMain(after[m.Participant]) == m.From:
			continue // back again before anybody heard of it
		}
		moves[m.Participant] = m
	}
	for _, m := range d.Moved {
		if !pending[m.Participant] {
			moves[m.Participant] = m
		}
	}
	merged := make([]v1alpha1.PendingMove, 0, len(moves))
	for _, p := range v.people() {
		if m, ok := moves[p]; ok {
			merged = append(merged, m)
		}
	}
	return merged
}

// recentlyTold is until when somebody's browser may be acting on having been told to move; zero when it is not.
func recentlyTold(st *v1alpha1.BreakoutSetStatus, p personName) time.Time {
	var until time.Time
	for _, r := range st.Signals.RecentMoves {
		if slices.Contains(r.Participants, p) {
			until = later(until, r.Time.Add(reactionTime))
		}
	}
	return until
}

// formerEnds are the ends of countdowns that browsers may have, and go back at, until they hear of a change of it.
func formerEnds(st *v1alpha1.BreakoutSetStatus, change v1alpha1.TimerChange, now time.Time) []metav1.Time {
	if change == "" {
		return nil
	}
	const most = 8 // as the API allows: the newest
	var ends []metav1.Time
	for _, end := range returns(st) {
		if end.Add(reactionTime).After(now) {
			ends = append(ends, metav1.NewTime(end))
		}
	}
	return ends[max(0, len(ends)-most):]
}

func mergeTimer(old, d v1alpha1.TimerChange, timer *v1alpha1.TimerStatus) v1alpha1.TimerChange {
	switch {
	case d != "":
		return d
	case old == v1alpha1.TimerSet && timer == nil:
		return v1alpha1.TimerClear
	default:
		return old
	}
}

// setPending makes p what is to be said, with a revision of its own, to every session that can have people in it.
func setPending(st *v1alpha1.BreakoutSetStatus, p *v1alpha1.PendingSignals, now time.Time) {
	s := &st.Signals
	s.Revision = max(s.Revision+1, now.UnixMilli())
	s.RecentMoves = slices.DeleteFunc(s.RecentMoves, func(r v1alpha1.RecentMoves) bool { return !r.Time.Add(reactionTime).After(now) })
	s.StartedAt = nil
	if isEmpty(p) {
		s.Pending, s.Missing = nil, nil
		return
	}
	s.Failed = nil
	s.Pending = p
	s.Missing = Audience(st)
}

// Audience names the rooms whose sessions are to be told what is pending: the main room, and every breakout room that was known before.
func Audience(st *v1alpha1.BreakoutSetStatus) []v1alpha1.BreakoutRoomName {
	p := st.Signals.Pending
	if p == nil {
		return nil
	}
	audience := []roomName{mainRoom}
	for _, r := range st.Rooms {
		if !slices.Contains(p.NewRooms, r.Name) {
			audience = append(audience, r.Name)
		}
	}
	for _, r := range p.Removed {
		if !slices.Contains(audience, r.Name) {
			audience = append(audience, r.Name)
		}
	}
	return audience
}

// SessionOf is the session of a room that is in the audience; empty when there is none of that name.
func SessionOf(st *v1alpha1.BreakoutSetStatus, room v1alpha1.BreakoutRoomName) string {
	if room == mainRoom {
		return st.MainSessionID
	}
	for _, r := range st.Rooms {
		if r.Name == room {
			return r.SessionID
		}
	}
	if st.Signals.Pending != nil {
		for _, r := range st.Signals.Pending.Removed {
			if r.Name == room {
				return r.SessionID
			}
		}
	}
	return ""
}

func isEmpty(p *v1alpha1.PendingSignals) bool {
	return p.Announcement == "" && len(p.Added) == 0 && len(p.Edited) == 0 && len(p.Removed) == 0 && len(p.Moved) == 0 && p.Timer == "" && len(p.Roles) == 0
}

// remember keeps in the status that people were told at now to move.
func remember(st *v1alpha1.BreakoutSetStatus, people []personName, now time.Time) {
	if len(people) == 0 {
		return
	}
	recent := slices.DeleteFunc(slices.Clone(st.Signals.RecentMoves), func(r v1alpha1.RecentMoves) bool { return !r.Time.Add(reactionTime).After(now) })
	const most = 64 // as the API allows; more than one telling every 100 ms makes the older ones wait with the newer
	if len(recent) == most {
		people = append(slices.Clone(recent[most-1].Participants), people...)
		recent = recent[:most-1]
	}
	st.Signals.RecentMoves = append(recent, v1alpha1.RecentMoves{Time: metav1.NewMicroTime(now), Participants: people})
}

// movesUntil is when everybody who was told to move has done so.
func movesUntil(recent []v1alpha1.RecentMoves) time.Time {
	var until time.Time
	for _, r := range recent {
		until = later(until, r.Time.Add(reactionTime))
	}
	return until
}

// stillGone are those of rooms that the view does not list again.
func stillGone(rooms []v1alpha1.BreakoutRoomStatus, v View) []v1alpha1.BreakoutRoomStatus {
	return slices.DeleteFunc(slices.Clone(rooms), func(r v1alpha1.BreakoutRoomStatus) bool {
		again := v.room(r.Name)
		return again != nil && again.SessionID == r.SessionID
	})
}

func stillListed(rooms []roomName, v View) []roomName {
	return slices.DeleteFunc(slices.Clone(rooms), func(r roomName) bool { return v.room(r) == nil })
}

func union[T comparable](a, b []T) []T {
	u := slices.Clone(a)
	for _, e := range b {
		if !slices.Contains(u, e) {
			u = append(u, e)
		}
	}
	return u
}

func orMain(room roomName) roomName {
	if room == "" {
		return mainRoom
	}
	return room
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func microTime(t time.Time) *metav1.MicroTime {
	m := metav1.NewMicroTime(t)
	return &m
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sampleapp

import (
	"cmp"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

type (
	personName = v1alpha1.ParticipantName
	roomName   = v1alpha1.BreakoutRoomName
)

const mainRoom roomName = v1alpha1.MainRoomName

// Delivery is what one process knows of what it has sent to the sessions of a set. A process that knows nothing sends
// everything again that the status says is owed, and nobody who was sent somewhere by the one before is sent elsewhere
// too soon. It is safe for concurrent use.
type Delivery struct {
	mu       sync.Mutex
	seen     time.Time // when this process saw the set first
	movesAt  time.Time // until when a process before may have sent people anywhere
	named    map[personName]naming
	sessions map[roomName]*session
	changing time.Time             // until when people are between two sessions who were sent somewhere before
	sent     []v1alpha1.SignalKind // see TakeSent
}

// naming is where somebody was sent last, when, and since when: all of it in one session, or wherever.
type naming struct {
	room      roomName
	at, since time.Time
	unsure    bool // who may not have received it
}

// session is what one session was sent.
type session struct {
	revision int64                    // of the state that done is about
	done     []v1alpha1.SignalKind    // of the messages that it is owed
	again    []v1alpha1.SignalKind    // of those of the round
	rest     *v1alpha1.SessionSignals // what its entry is when it has had everything
	repeat   []v1alpha1.SignalKind    // what it was sent before a newer state, and is sent again
	missed   []v1alpha1.SignalKind    // what people may have missed, who were between two sessions
	named    map[personName]naming    // who was sent somewhere in it
	movesAt  time.Time                // when it was sent moves last
	roomsAt  time.Time                // when it was sent names last
	listed   bool                     // whether it was sent moves of this state
	round    int                      // of the repetition; 0 before it is known
	bump     int                      // by how much more than the round a process before may have raised the revision
	failed   string                   // why the last message failed
	retryAt  time.Time
	tries    int
}

// Step is one message to one session.
type Step struct {
	// Kind says which message, Names whom it sends to where they belong.
	Kind  v1alpha1.SignalKind
	Names []v1alpha1.ParticipantName

	// Round is 0 for what is said the first time; repetitions have later numbers.
	Round int

	// known is whether the session still takes rooms to be open that people are called out of.
	known bool
}

// Observe takes note of the set's status as it is at now, before anything is planned or sent.
func (d *Delivery) Observe(st *v1alpha1.BreakoutSetStatus, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sessions == nil {
		d.seen, d.sessions, d.named = now, map[roomName]*session{}, map[personName]naming{}
		for _, name := range st.Signals.Moving {
			d.named[name], d.movesAt = naming{at: now}, now // as late as that, to wherever
		}
		for _, e := range st.Signals.Sessions {
			d.sessions[e.Room] = &session{named: map[personName]naming{}, movesAt: d.movesAt, roomsAt: now}
		}
	}
	for room := range d.sessions {
		if entry(st, room) == nil && breakout.SessionOf(st, room) == "" {
			delete(d.sessions, room)
		}
	}
	for name, n := range d.named {
		if !n.at.Add(MoveInterval).After(now) && !slices.Contains(st.Signals.Moving, name) {
			delete(d.named, name)
		}
	}
}

// Recall takes note that people are asked for, before that is planned: they are taken not to have received where they
// were sent, and their rounds begin.
func (d *Delivery) Recall(names []v1alpha1.ParticipantName, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sessions {
		for _, name := range names {
			if n, ok := s.named[name]; ok {
				n.since, n.unsure = now, true
				s.named[name] = n
			}
		}
	}
}

// MovingTo are the rooms that people may be on their way to, or learn the name of, and until when; the room without a
// name stands for any.
func (d *Delivery) MovingTo() map[v1alpha1.BreakoutRoomName]time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	rooms := map[roomName]time.Time{}
	for _, n := range d.named {
		if at := n.at.Add(MoveInterval); at.After(rooms[n.room]) {
			rooms[n.room] = at
		}
	}
	for room, s := range d.sessions { // who is about to learn a name looks it up
		if at := s.roomsAt.Add(MoveInterval); at.After(rooms[room]) {
			rooms[room] = at
		}
	}
	return rooms
}

// MovingUntil is until when people may be on their way to where they were sent last.
func (d *Delivery) MovingUntil() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.quietAt()
}

func (d *Delivery) quietAt() time.Time {
	var until time.Time
	for _, n := range d.named {
		if at := n.at.Add(MoveInterval); at.After(until) {
			until = at
		}
	}
	return until
}

func entry(st *v1alpha1.BreakoutSetStatus, room roomName) *v1alpha1.SessionSignals {
	i := slices.IndexFunc(st.Signals.Sessions, func(e v1alpha1.SessionSignals) bool { return e.Room == room })
	if i < 0 {
		return nil
	}
	return &st.Signals.Sessions[i]
}

// session is what is known of a session in the present state.
func (d *Delivery) session(st *v1alpha1.BreakoutSetStatus, e *v1alpha1.SessionSignals, now time.Time) *session {
	s := d.sessions[e.Room]
	if s == nil {
		s = &session{named: map[personName]naming{}, movesAt: d.movesAt}
		d.sessions[e.Room] = s
	}
	switch lags := e.Revision != st.Signals.Revision; {
	case lags && s.revision != st.Signals.Revision:
		if s.rest != nil {
			s.repeat, s.missed = nil, nil
		}
		s.revision, s.done, s.again, s.rest, s.listed, s.round, s.bump = st.Signals.Revision, nil, nil, nil, false, 0, 0
	case !lags && s.round == 0:
		s.round = 1
		if passed := int(now.Sub(e.Time.Time)/MoveInterval) + 1; !e.Time.After(d.seen) && passed > 1 {
			s.round = min(passed, max(1, lastRound(e)-1)) // of a process before; at least one more is said
			s.bump = passed - s.round
		}
	}
	return s
}

// Due returns the sessions that can be sent something at now, and when others can; zero for never.
func (d *Delivery) Due(st *v1alpha1.BreakoutSetStatus, now time.Time) ([]v1alpha1.BreakoutRoomName, time.Time) {
	changing := d.MovingUntil()
	d.mu.Lock()
	d.changing = changing
	d.mu.Unlock()
	var rooms []roomName
	var next time.Time
	for _, e := range st.Signals.Sessions {
		switch _, ok, at := d.Next(st, e.Room, now); {
		case ok:
			rooms = append(rooms, e.Room)
		case !at.IsZero() && (next.IsZero() || at.Before(next)):
			next = at
		}
	}
	return rooms, next
}

// Next is the next message to a session at now; false where there is none, and then when there will be one; zero for
// never.
func (d *Delivery) Next(
	st *v1alpha1.BreakoutSetStatus,
	room v1alpha1.BreakoutRoomName,
	now time.Time,
) (Step, bool, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := entry(st, room)
	if e == nil {
		return Step{}, false, time.Time{}
	}
	s := d.session(st, e, now)
	if s.retryAt.After(now) {
		return Step{}, false, s.retryAt
	}
	if e.Revision == st.Signals.Revision {
		return d.repetition(st, e, s, now)
	}
	if e.Time.After(now) {
		return Step{}, false, e.Time.Time
	}
	for _, kind := range withPrompt(st, e.Room, e.Messages) {
		if slices.Contains(s.done, kind) {
			continue
		}
		step, ok, at := d.step(st, e, s, kind, now)
		if ok || !at.IsZero() {
			return step, ok, at
		}
		s.done = append(s.done, kind)
	}
	return d.repetition(st, d.restOf(st, e, s, now), s, now)
}

// step is the message of a kind; neither a message nor a time where it has nothing to say.
func (d *Delivery) step(
	st *v1alpha1.BreakoutSetStatus,
	e *v1alpha1.SessionSignals,
	s *session,
	kind v1alpha1.SignalKind,
	now time.Time,
) (Step, bool, time.Time) {
	step := Step{Kind: kind, Round: s.round + s.bump, known: kind != v1alpha1.SignalRemoval && owesRemoval(st, e, s)}
	switch kind {
	case v1alpha1.SignalOpening, v1alpha1.SignalMoves:
		var wait time.Time
		step.Names, wait = d.names(st, e.Room, s, kind, now)
		switch {
		case len(step.Names) > 0:
			return step, true, time.Time{}
		case !wait.IsZero():
			return step, false, wait
		}
		informs := e.Room == mainRoom || leads(st, e.Room)
		return step, kind == v1alpha1.SignalOpening || (!s.listed && informs && s.round == 0), time.Time{}
	case v1alpha1.SignalRooms:
		// Who learns a room's new name on the way out of it takes themselves to be in it still.
		if at := s.movesAt.Add(MoveInterval); e.Room != mainRoom && at.After(now) {
			return step, false, at
		}
	case v1alpha1.SignalRemoval:
		if at := d.emptyAt(st, e.Room, now); s.round == 0 && at.After(now) {
			return step, false, at
		}
	default: // at any time
	}
	return step, true, time.Time{}
}

// owesRemoval tells whether a session was not sent yet that rooms are gone.
func owesRemoval(st *v1alpha1.BreakoutSetStatus, e *v1alpha1.SessionSignals, s *session) bool {
	return e.Revision != st.Signals.Revision && slices.Contains(e.Messages, v1alpha1.SignalRemoval) &&
		!slices.Contains(s.done, v1alpha1.SignalRemoval)
}

// names are those whom a session is to be sent: on the move, and belonging elsewhere; all who belong elsewhere where
// the room is to be left. Who was sent elsewhere a moment ago waits, and the second result is until when.
func (d *Delivery) names(
	st *v1alpha1.BreakoutSetStatus,
	room roomName,
	s *session,
	kind v1alpha1.SignalKind,
	now time.Time,
) ([]personName, time.Time) {
	view := breakout.Planned(st)
	places, people := view.Places(), st.Signals.Moving
	if slices.ContainsFunc(view.Leaving, func(r v1alpha1.BreakoutRoomStatus) bool { return r.Name == room }) {
		people = view.People()
	}
	var names []personName
	var wait time.Time
	for _, name := range people {
		target := cmp.Or(places[name], mainRoom)
		if target == room || (kind == v1alpha1.SignalOpening && slices.Contains(view.Hosts, name)) {
			continue
		}
		last, ok := d.named[name]
		if !ok {
			last.at = d.movesAt
		}
		here := s.named[name].at.Add(MoveInterval)
		until := last.at.Add(MoveInterval)
		if last.room == target {
			until = here
		}
		switch {
		case !until.After(now):
			names = append(names, name)
		case (last.room != target || s.named[name].unsure) && (wait.IsZero() || until.Before(wait)):
			wait = until
		}
	}
	return names, wait
}

// emptyAt is when nobody is on the way to a room that is to be left any more, nor out of it as they were sent; of all
// such rooms for the main room.
func (d *Delivery) emptyAt(st *v1alpha1.BreakoutSetStatus, room roomName, now time.Time) time.Time {
	var at time.Time
	for _, r := range breakout.Planned(st).Leaving {
		if room != mainRoom && room != r.Name {
			continue
		}
		s, e := d.sessions[r.Name], entry(st, r.Name)
		if s != nil {
			at = later(at, s.movesAt)
		}
		owes := e != nil && e.Revision != st.Signals.Revision && slices.Contains(e.Messages, v1alpha1.SignalMoves)
		sent := s != nil && s.revision == st.Signals.Revision && slices.Contains(s.done, v1alpha1.SignalMoves)
		switch since := now; {
		case !owes || sent:
		case room != r.Name && s != nil && s.failed != "": // it does not hold up the others
			since = e.Time.Time
			fallthrough
		default:
			at = later(at, since)
		}
		for _, n := range d.named {
			if n.room == r.Name || n.room == "" {
				at = later(at, n.at)
			}
		}
	}
	return at.Add(MoveInterval)
}

// lastRound is how many rounds a session's messages are repeated in; the last may have nothing to say and only let time
// go by.
func lastRound(e *v1alpha1.SessionSignals) int {
	last := 1
	for _, kind := range e.Messages {
		switch kind {
		case v1alpha1.SignalMoves:
			last = max(last, moveRounds+1)
		case v1alpha1.SignalRemoval, v1alpha1.SignalPrompt:
			last = max(last, 2)
		default: // once
		}
	}
	return last
}

// roundKinds are the messages of one round.
func roundKinds(st *v1alpha1.BreakoutSetStatus, e *v1alpha1.SessionSignals, round int) []v1alpha1.SignalKind {
	moves := slices.Contains(e.Messages, v1alpha1.SignalMoves)
	switch {
	case round == 1:
		return e.Messages
	case round == moveRounds+1 && moves && e.Room != mainRoom && !leads(st, e.Room) && st.Mode != v1alpha1.ModeChoose:
		return nil
	case round == moveRounds+1 && moves && len(st.CoHosts) > 0:
		return []v1alpha1.SignalKind{v1alpha1.SignalRooms, v1alpha1.SignalRoles}
	case round == moveRounds+1 && moves && len(st.Hosts) > 0:
		return []v1alpha1.SignalKind{v1alpha1.SignalRooms}
	case round <= moveRounds:
		return slices.DeleteFunc(slices.Clone(e.Messages), func(k v1alpha1.SignalKind) bool {
			return k != v1alpha1.SignalMoves && k != v1alpha1.SignalPrompt
		})
	default:
		return nil
	}
}

// withPrompt are messages to a session, with the prompt to choose a room where one of them closes it: every list does.
func withPrompt(st *v1alpha1.BreakoutSetStatus, room roomName, kinds []v1alpha1.SignalKind) []v1alpha1.SignalKind {
	lists := func(k v1alpha1.SignalKind) bool { return k != v1alpha1.SignalCountdown && k != v1alpha1.SignalRoles }
	if room != mainRoom || st.Mode != v1alpha1.ModeChoose || !isOpen(st) ||
		slices.Contains(kinds, v1alpha1.SignalPrompt) ||
		!slices.ContainsFunc(kinds, lists) {
		return kinds
	}
	return append(slices.Clone(kinds), v1alpha1.SignalPrompt)
}

// repetition is the next message of the rounds.
func (d *Delivery) repetition(
	st *v1alpha1.BreakoutSetStatus,
	e *v1alpha1.SessionSignals,
	s *session,
	now time.Time,
) (Step, bool, time.Time) {
	for ; s.round <= lastRound(e); s.round, s.again = s.round+1, nil {
		at := e.Time.Add(time.Duration(s.round) * MoveInterval)
		if last := s.movesAt.Add(MoveInterval); s.round > 1 && len(s.again) == 0 && last.After(at) {
			at = last // the round before took its time, and who was sent somewhere a moment ago is not sent there again
		}
		if at.After(now) {
			return Step{}, false, at
		}
		for _, kind := range withPrompt(st, e.Room, roundKinds(st, e, s.round)) {
			if slices.Contains(s.again, kind) {
				continue
			}
			step, ok, wait := d.step(st, e, s, kind, now)
			if ok || !wait.IsZero() {
				return step, ok, wait
			}
			s.again = append(s.again, kind)
		}
	}
	return Step{}, false, time.Time{}
}

// Outcome is what became of a message.
type Outcome int

// What may become of a message.
const (
	// Delivered: the session has it, or nobody is there.
	Delivered Outcome = iota
	// Ambiguous: the session may have it.
	Ambiguous
	// Failed: the session does not have it.
	Failed
)

// Note takes note of what became of a message that was sent to a session, and why it failed.
func (d *Delivery) Note(
	st *v1alpha1.BreakoutSetStatus,
	room v1alpha1.BreakoutRoomName,
	step Step,
	outcome Outcome,
	reason string,
	now time.Time,
) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.sessions[room]
	if s == nil {
		return
	}
	if outcome != Failed {
		if step.Kind == v1alpha1.SignalRooms {
			s.roomsAt = now
		}
		if len(step.Names) > 0 {
			s.movesAt = now
		}
		places := breakout.Planned(st).Places()
		for _, name := range step.Names {
			target := cmp.Or(places[name], mainRoom)
			n := naming{room: target, at: now, since: now, unsure: outcome == Ambiguous}
			if last := s.named[name]; last.room == target {
				n.since = last.since
			}
			s.named[name], d.named[name] = n, n
		}
	}
	if outcome != Delivered {
		s.failed = reason
		s.tries++
		s.retryAt = now.Add(min(firstRetry<<min(s.tries-1, 10), lastRetry))
		return
	}
	if s.failed, s.tries = "", 0; step.Kind == v1alpha1.SignalMoves {
		s.listed = true
	}
	done := &s.done
	if step.Round > 0 {
		done = &s.again
	}
	if step.Kind != v1alpha1.SignalMoves {
		*done = append(*done, step.Kind)
	} else if names, wait := d.names(st, room, s, step.Kind, now); len(names) == 0 && wait.IsZero() {
		*done = append(*done, step.Kind)
	}
	if d.changing.After(now) && !slices.Contains(s.missed, step.Kind) {
		s.missed = append(s.missed, step.Kind)
	}
	if step.Round == 0 && !slices.Contains(d.sent, step.Kind) {
		d.sent = append(d.sent, step.Kind)
	}
	for _, other := range d.sessions {
		if other.failed != "" && other.retryAt.Sub(now) > firstRetry {
			other.retryAt = now.Add(firstRetry) // the vendor is back
		}
	}
}

// TakeSent returns the kinds of messages that were sent for the first time since it was called last.
func (d *Delivery) TakeSent() []v1alpha1.SignalKind {
	d.mu.Lock()
	defer d.mu.Unlock()
	sent := d.sent
	d.sent = nil
	return sent
}

// Delay puts off what is sent to a session, as the vendor asks.
func (d *Delivery) Delay(room v1alpha1.BreakoutRoomName, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.sessions[room]; s != nil && until.After(s.retryAt) {
		s.retryAt = until
	}
}

// RetryNow has what failed be tried again at once.
func (d *Delivery) RetryNow() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sessions {
		if s.failed != "" {
			s.retryAt = time.Time{}
		}
	}
}

const (
	// firstRetry and lastRetry are how soon a message that failed is tried again, doubling.
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// Fold writes what was sent into a status, before a newer state is planned in it.
func (d *Delivery) Fold(st *v1alpha1.BreakoutSetStatus, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	st.Signals.Sessions = slices.Clone(st.Signals.Sessions)
	for i := range st.Signals.Sessions {
		e := &st.Signals.Sessions[i]
		s := d.sessions[e.Room]
		if e.Revision == st.Signals.Revision || s == nil || s.revision != st.Signals.Revision {
			continue
		}
		if isDone(st, e, s) {
			*e = *d.restOf(st, e, s, now)
			continue
		}
		s.repeat = union(s.repeat, s.done)
		e.Messages = slices.DeleteFunc(
			slices.Clone(e.Messages),
			func(k v1alpha1.SignalKind) bool { return slices.Contains(s.done, k) },
		)
	}
	st.Signals.Sessions = slices.DeleteFunc(st.Signals.Sessions, func(e v1alpha1.SessionSignals) bool {
		return e.Revision == st.Signals.Revision && len(e.Messages) == 0
	})
	if len(breakout.Lagging(st)) == 0 {
		places := breakout.Planned(st).Places()
		st.Signals.Moving = slices.DeleteFunc(slices.Clone(st.Signals.Moving), func(name personName) bool {
			return d.roundsOver(name, cmp.Or(places[name], mainRoom), now)
		})
	}
}

// roundsOver tells whether somebody was sent to a room in all rounds, in every session that sends them there.
func (d *Delivery) roundsOver(name personName, target roomName, now time.Time) bool {
	over := false
	for _, s := range d.sessions {
		n, ok := s.named[name]
		if !ok || n.room != target {
			continue
		}
		if over = now.Sub(n.since) >= (moveRounds+1)*MoveInterval; !over {
			return false
		}
	}
	return over
}

func isDone(st *v1alpha1.BreakoutSetStatus, e *v1alpha1.SessionSignals, s *session) bool {
	return !slices.ContainsFunc(
		withPrompt(st, e.Room, e.Messages),
		func(k v1alpha1.SignalKind) bool { return !slices.Contains(s.done, k) },
	)
}

// restOf is the entry of a session that has had everything: of its messages it keeps those that are sent again.
func (d *Delivery) restOf(
	st *v1alpha1.BreakoutSetStatus,
	e *v1alpha1.SessionSignals,
	s *session,
	now time.Time,
) *v1alpha1.SessionSignals {
	if s.rest != nil {
		return s.rest
	}
	sent := union(s.repeat, e.Messages)
	var again []v1alpha1.SignalKind
	for _, kind := range []v1alpha1.SignalKind{
		v1alpha1.SignalCountdown, v1alpha1.SignalRooms, v1alpha1.SignalMoves, v1alpha1.SignalRemoval,
		v1alpha1.SignalPrompt,
	} {
		is := slices.Contains(sent, kind)
		switch kind {
		case v1alpha1.SignalCountdown, v1alpha1.SignalRooms:
			is = is && slices.Contains(s.missed, kind)
		case v1alpha1.SignalMoves:
			is = (is || slices.Contains(sent, v1alpha1.SignalOpening)) && len(st.Signals.Moving) > 0
		case v1alpha1.SignalRemoval:
			is = is && (e.Room != mainRoom || !isOpen(st))
		case v1alpha1.SignalPrompt:
			is = st.Mode == v1alpha1.ModeChoose && e.Room == mainRoom &&
				slices.Contains(sent, v1alpha1.SignalRemoval) &&
				isOpen(st)
		default: // not in the list
		}
		if is {
			again = append(again, kind)
		}
	}
	s.round = 1
	s.rest = &v1alpha1.SessionSignals{
		Room:     e.Room,
		Revision: st.Signals.Revision,
		Reason:   v1alpha1.RepeatingReason,
		Messages: again,
		Time:     metav1.NewMicroTime(now),
	}
	return s.rest
}

func isOpen(st *v1alpha1.BreakoutSetStatus) bool { return st.ClosedAt == nil }

// Conclude writes into a status what is worth a write: that every session has had the present state, which of them
// could not be sent it, and that the rounds are over. A room's entry stays as long as its MeetingRoom is there.
func (d *Delivery) Conclude(st *v1alpha1.BreakoutSetStatus, there func(v1alpha1.BreakoutRoomName) bool, now time.Time) {
	d.mu.Lock()
	s := &st.Signals
	lags, failed := false, false
	for _, e := range s.Sessions {
		if known := d.sessions[e.Room]; e.Revision != s.Revision &&
			(known == nil || known.revision != s.Revision || !isDone(st, &e, known)) {
			lags = true
			failed = failed || (known != nil && known.failed != "" && known.failed != e.Reason)
		}
	}
	was := len(breakout.Lagging(st)) > 0
	d.mu.Unlock()
	switch {
	case was && !lags:
		d.Fold(st, now)
		at := metav1.NewMicroTime(now)
		s.DeliveredTime = &at
	case failed:
		d.mu.Lock()
		s.Sessions = slices.Clone(s.Sessions)
		for i := range s.Sessions {
			e := &s.Sessions[i]
			switch known := d.sessions[e.Room]; {
			case known == nil || e.Revision == s.Revision || known.revision != s.Revision:
			case isDone(st, e, known):
				*e = *d.restOf(st, e, known, now)
			case known.failed != "":
				e.Reason = known.failed
			}
		}
		d.mu.Unlock()
	}
	d.end(st, there, now)
}

// end drops the entries whose rounds are over, all at once.
func (d *Delivery) end(st *v1alpha1.BreakoutSetStatus, there func(v1alpha1.BreakoutRoomName) bool, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &st.Signals
	over := func(e v1alpha1.SessionSignals) bool {
		if e.Revision != s.Revision {
			return false
		}
		known := d.session(st, &e, now)
		return known.round > lastRound(&e)
	}
	if slices.ContainsFunc(s.Sessions, func(e v1alpha1.SessionSignals) bool { return !over(e) }) {
		return
	}
	s.Moving = nil
	s.Sessions = slices.DeleteFunc(slices.Clone(s.Sessions), func(e v1alpha1.SessionSignals) bool {
		return e.Room == mainRoom || !there(e.Room) || breakout.Planned(st).Room(e.Room) != nil
	})
	if len(s.Sessions) == 0 {
		s.Sessions = nil
	}
}

// leads tells whether somebody who leads belongs to a room.
func leads(st *v1alpha1.BreakoutSetStatus, room roomName) bool {
	r := breakout.Planned(st).Room(room)
	return r != nil && slices.ContainsFunc(r.Participants, func(name personName) bool {
		return slices.Contains(st.Hosts, name) || slices.Contains(st.CoHosts, name)
	})
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

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

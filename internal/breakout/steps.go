// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// StepKind is the kind of one message to everybody concerned.
type StepKind string

// The kinds of step, in the order in which the steps of one plan are said.
const (
	// StepEdited: rooms have another name or size (`roomEdited`); also the present list once more.
	StepEdited StepKind = "roomEdited"
	// StepCreated: rooms are open (`roomCreated (automatic)`) and their people go there.
	StepCreated StepKind = "roomCreated (automatic)"
	// StepAdded: there are more rooms (`roomAdded`).
	StepAdded StepKind = "roomAdded"
	// StepMoved: people go to another room (`participantMoved`).
	StepMoved StepKind = "participantMoved"
	// StepRemoved: rooms are gone (`roomRemoved`), and whoever is in one goes back.
	StepRemoved StepKind = "roomRemoved"
	// StepAllRemoved: all rooms are gone (`allRoomRemoved`), and everybody goes back.
	StepAllRemoved StepKind = "allRoomRemoved"
	// StepTimerSet: the countdown, as it is now (`count-down-timer`).
	StepTimerSet StepKind = "timer set"
	// StepTimerClear: the countdown ends now, the first step of dropping it.
	StepTimerClear StepKind = "timer clear"
	// StepTimerCleared: there is no countdown, the second step of dropping it.
	StepTimerCleared StepKind = "timer cleared"
	// StepRoles: who leads (`update-participant`).
	StepRoles StepKind = "update-participant"
	// StepChoose: rooms are open to choose from (`roomCreated (chooseroom)`), to the main room alone.
	StepChoose StepKind = "roomCreated (chooseroom)"
)

// Step is one message to everybody concerned.
type Step struct {
	// Kind says which message.
	Kind StepKind

	// Moves are those whom the message sends somewhere.
	Moves []v1alpha1.ParticipantName

	// Again is when StepTimerSet or StepTimerClear is to be said once more, because people are changing rooms and may not hear it; zero when it
	// is not.
	Again time.Time
}

// isList tells whether the step's message is of type breakout-room, which replaces the list that browsers show.
func (s Step) isList() bool {
	switch s.Kind {
	case StepTimerSet, StepTimerClear, StepTimerCleared, StepRoles:
		return false
	default:
		return true
	}
}

// RepeatAfter is how long after a step that browsers act on later may have been said it may be said again: one that is told twice to move, before
// it has, connects twice.
const RepeatAfter = reactionTime

// ActsLater tells whether browsers act on the step only seconds later: they change rooms.
func (s Step) ActsLater() bool {
	return len(s.Moves) > 0 || s.Kind == StepRemoved || s.Kind == StepAllRemoved
}

// NextSteps are the steps of what is pending that can be said at now, in their order; when there are none, the second result is when there
// will be: zero when nothing is pending.
//
// Browsers act on a move only seconds later, by the list that they have then. So nobody is told to move twice within 6 seconds, and rooms are
// removed only 6 seconds after others were renamed or people moved: the steps stop before that, and go on later.
//
// Steps that some sessions were told already, see NoteProgress, stay what they are until all were.
func NextSteps(st *v1alpha1.BreakoutSetStatus, now time.Time) ([]Step, time.Time) {
	p := st.Signals.Pending
	if p == nil {
		return nil, time.Time{}
	}
	if st.Signals.StartedAt != nil {
		now = st.Signals.StartedAt.Time
	}
	if p.NotBefore != nil && p.NotBefore.After(now) {
		return nil, p.NotBefore.Time
	}
	b := stepBuilder{st: st, p: p, now: now, places: Planned(st).Places()}
	b.back = calledBack(st, now)
	if until := settling(st); until.After(now) {
		if p.Announcement != "" || len(p.Edited)+len(p.Added)+len(p.Moved)+len(p.Removed) > 0 {
			b.due = until
		}
	} else {
		b.edits()
		b.additions()
		b.moves()
		b.removals()
	}
	b.timer()
	b.roles()
	b.choice()
	return b.steps, b.due
}

// stepBuilder collects steps until one is not due yet; from then on due is set.
type stepBuilder struct {
	st     *v1alpha1.BreakoutSetStatus
	p      *v1alpha1.PendingSignals
	now    time.Time
	places Places
	steps  []Step
	due    time.Time
	moving bool // some step before makes browsers do something that takes them seconds

	back time.Time // when browsers in breakout rooms have gone back that are about to by themselves, and would be in two rooms if told anything else
}

func (b *stepBuilder) add(s Step) {
	b.steps = append(b.steps, s)
	b.moving = b.moving || len(s.Moves) > 0
}

func (b *stepBuilder) opening() bool { return b.p.Announcement == v1alpha1.AnnounceOpening }

func (b *stepBuilder) choosing() bool { return b.st.Mode == v1alpha1.ModeChoose }

func (b *stepBuilder) edits() {
	again := b.p.Announcement == v1alpha1.AnnounceResend
	switch until := b.movingUntil(); {
	case len(b.p.Edited) == 0 && !again:
	case until.After(b.now):
		b.wait(until) // who hears a rename on the way out of the room would take themselves to be in it still
	case len(b.p.Edited) > 0 && !b.back.IsZero():
		b.wait(b.back)
	case again && len(b.st.Rooms)+len(b.p.Removed) == 0:
		b.add(Step{Kind: StepAllRemoved}) // hosts' control panels close only on an empty list
	default:
		b.add(Step{Kind: StepEdited})
		b.moving = b.moving || len(b.p.Edited) > 0
	}
}

func (b *stepBuilder) additions() {
	switch {
	case b.opening() && !b.choosing():
		b.add(Step{Kind: StepCreated, Moves: b.carried()})
	case len(b.p.Added) > 0 && !b.opening():
		b.add(Step{Kind: StepAdded})
	}
}

// carried are those whom the opening message itself sends to their rooms: the hosts' page does not act on it, and whoever may have been told
// otherwise a moment ago waits.
func (b *stepBuilder) carried() []personName {
	leads := leaders(Planned(b.st))
	var carried []personName
	for _, m := range b.p.Moved {
		if leads[m.Participant] == "" && m.NotBefore == nil && !recentlyTold(b.st, m.Participant).After(b.now) && m.From == mainRoom && b.places[m.Participant] != "" {
			carried = append(carried, m.Participant)
		}
	}
	return carried
}

// moves adds one step for all who can be told now; whoever waits holds up what comes after.
func (b *stepBuilder) moves() {
	told := Step{Kind: StepMoved}
	for _, m := range b.p.Moved {
		switch {
		case b.returns(m) || slices.ContainsFunc(b.steps, func(s Step) bool { return slices.Contains(s.Moves, m.Participant) }):
		case m.NotBefore != nil && m.NotBefore.After(b.now):
			b.wait(m.NotBefore.Time)
		case recentlyTold(b.st, m.Participant).After(b.now):
			b.wait(recentlyTold(b.st, m.Participant))
		case !b.back.IsZero(): // also who belongs into the main room can be in a breakout room that they chose
			b.wait(b.back)
		default:
			told.Moves = append(told.Moves, m.Participant)
		}
	}
	if len(told.Moves) > 0 {
		b.add(told)
	}
}

// returns tells whether a move is one from a doomed room to the main room, which the room's removal itself says. Whoever may have been told to
// go to yet another room is told by name.
func (b *stepBuilder) returns(m v1alpha1.PendingMove) bool {
	return m.NotBefore == nil && b.places[m.Participant] == "" &&
		slices.ContainsFunc(b.p.Removed, func(r v1alpha1.BreakoutRoomStatus) bool { return r.Name == m.From })
}

func (b *stepBuilder) removals() {
	if len(b.p.Removed) == 0 || !b.due.IsZero() {
		return
	}
	if !b.back.IsZero() {
		b.wait(b.back)
		return
	}
	if b.moving {
		b.wait(b.now.Add(reactionTime))
		return
	}
	step := Step{Kind: StepRemoved}
	if len(b.st.Rooms) == 0 {
		step.Kind = StepAllRemoved
	}
	until := busyUntil(b.st)
	for _, m := range b.p.Moved {
		if b.returns(m) {
			step.Moves = append(step.Moves, m.Participant)
		}
	}
	if until.After(b.now) && b.p.Announcement != v1alpha1.AnnounceClosing { // a closing's own notBefore has it in it
		b.wait(until)
		return
	}
	b.add(step)
}

// movingUntil is when those have changed rooms who were told to before, or may have been.
func (b *stepBuilder) movingUntil() time.Time {
	until := movesUntil(b.st.Signals.RecentMoves)
	for _, m := range b.p.Moved {
		if m.NotBefore != nil {
			until = later(until, m.NotBefore.Time)
		}
	}
	return until
}

// timer does not wait for other steps: a countdown that is out of date would call people back.
func (b *stepBuilder) timer() {
	var again time.Time
	until := b.movingUntil()
	if until.After(b.now) {
		again = until
	}
	switch b.p.Timer {
	case v1alpha1.TimerSet:
		if b.moving {
			until = b.now.Add(reactionTime)
		}
		if until.After(b.now) && returnsBy(b.st.Timer, until) {
			b.wait(until)
			return
		}
		b.add(Step{Kind: StepTimerSet, Again: again})
	case v1alpha1.TimerClear:
		b.add(Step{Kind: StepTimerClear, Again: again})
	case v1alpha1.TimerCleared:
		if until := timerRunsOut(b.st); until.After(b.now) {
			b.wait(until)
			return
		}
		b.add(Step{Kind: StepTimerCleared})
	}
}

func (b *stepBuilder) roles() {
	if len(b.p.Roles) > 0 && (b.due.IsZero() || b.p.Timer == v1alpha1.TimerCleared) {
		b.add(Step{Kind: StepRoles})
	}
}

// choice asks those in the main room to choose, after anything that closed the prompt.
func (b *stepBuilder) choice() {
	if !b.choosing() || len(b.st.Rooms) == 0 {
		return
	}
	if (b.opening() && b.due.IsZero()) || slices.ContainsFunc(b.steps, Step.isList) {
		b.add(Step{Kind: StepChoose})
	}
}

func (b *stepBuilder) wait(until time.Time) {
	if b.due.IsZero() || until.Before(b.due) {
		b.due = until
	}
}

// clearLasts is how long the countdown runs that ends a running one. Browsers count whole seconds, and begin anew when they change rooms or learn
// a room's new name; who does so in the last second misses the end. So it runs until all have acted on what they were told before, and those who
// are told anything in its first seconds are told later, see settling.
const clearLasts = 8 * time.Second

// settling is until when nobody may be told anything that they act on 5 seconds later, since a countdown was ended that would be in its last
// second then.
func settling(st *v1alpha1.BreakoutSetStatus) time.Time {
	if p := st.Signals.Pending; p == nil || p.Timer != v1alpha1.TimerCleared || st.Signals.SettledAt == nil {
		return time.Time{}
	}
	return st.Signals.SettledAt.Add(clearLasts - 5*time.Second)
}

// returnMargin is how long before its end a countdown with automatic return may have browsers act: they count whole seconds, and signals take
// their time.
const returnMargin = 3 * time.Second

// calledBack is when browsers in breakout rooms have gone back that are about to by themselves; zero when none are.
func calledBack(st *v1alpha1.BreakoutSetStatus, now time.Time) time.Time {
	var until time.Time
	for _, end := range returns(st) {
		if back := end.Add(reactionTime); now.Before(back) && mayReturnBy(end, now.Add(reactionTime)) {
			until = later(until, back)
		}
	}
	return until
}

// returns are when browsers go back by themselves, by the countdown that they know, in order.
func returns(st *v1alpha1.BreakoutSetStatus) []time.Time {
	var ends []time.Time
	if st.Signals.Pending != nil {
		for _, end := range st.Signals.Pending.FormerEnds {
			ends = append(ends, end.Time)
		}
	}
	if t := st.Timer; t != nil && t.ReturnMode != v1alpha1.ReturnManual {
		ends = append(ends, t.EndTime.Time)
	}
	slices.SortFunc(ends, time.Time.Compare)
	return slices.CompactFunc(ends, time.Time.Equal)
}

// returnsBy tells whether browsers go back by themselves at that time or before.
func returnsBy(t *v1alpha1.TimerStatus, at time.Time) bool {
	return t != nil && t.ReturnMode != v1alpha1.ReturnManual && mayReturnBy(t.EndTime.Time, at)
}

// mayReturnBy tells whether browsers that go back by themselves at the end of a countdown may do so at that time or before.
func mayReturnBy(end, at time.Time) bool { return !end.Add(-returnMargin).After(at) }

// timerRunsOut is when the countdown that ends a running one is over in the browsers, after its telling was settled.
func timerRunsOut(st *v1alpha1.BreakoutSetStatus) time.Time {
	if st.Signals.SettledAt == nil {
		return time.Time{}
	}
	return st.Signals.SettledAt.Add(clearLasts)
}

// NoteProgress notes that the missing rooms have not had all of the steps that were due at started, and that the others concerned have.
func NoteProgress(st *v1alpha1.BreakoutSetStatus, missing []v1alpha1.BreakoutRoomName, started time.Time) {
	st.Signals.Missing = missing
	if st.Signals.StartedAt == nil {
		st.Signals.StartedAt = microTime(started)
	}
}

// Settle takes steps that were said, or given up, out of what is pending. Failed names the rooms that could not be told.
func Settle(st *v1alpha1.BreakoutSetStatus, steps []Step, failed []v1alpha1.BreakoutRoomName, now time.Time) {
	s, p := &st.Signals, st.Signals.Pending
	if p == nil {
		return
	}
	slow := tookLong(st, steps, now) // then what can have been missed is said once more
	var again *metav1.MicroTime
	for _, step := range steps {
		if slow {
			step.Again = now.Add(reactionTime)
		}
		p.Moved = slices.DeleteFunc(p.Moved, func(m v1alpha1.PendingMove) bool { return slices.Contains(step.Moves, m.Participant) })
		remember(st, sentBy(step, st), now)
		switch step.Kind {
		case StepEdited:
			if len(p.Edited) > 0 {
				s.RenamedAt = microTime(now)
			}
			p.Edited = nil
			p.Announcement = without(p.Announcement, v1alpha1.AnnounceResend)
		case StepCreated, StepChoose:
			p.Added = nil
			p.Announcement = without(p.Announcement, v1alpha1.AnnounceOpening)
		case StepAdded:
			p.Added = nil
		case StepRemoved, StepAllRemoved:
			p.Removed = nil
			p.Announcement = without(p.Announcement, v1alpha1.AnnounceClosing)
			if step.Kind == StepAllRemoved {
				p.Announcement = without(p.Announcement, v1alpha1.AnnounceResend)
			}
		case StepTimerSet, StepTimerClear, StepTimerCleared:
			if p.Timer, again = step.settled(); again == nil {
				p.FormerEnds = nil // all have heard of the new one
			}
		case StepRoles:
			if !slow {
				p.Roles = nil
			}
		case StepMoved:
		}
	}
	s.StartedAt = nil
	p.NewRooms, p.NotBefore = nil, again                      // known by now
	if len(steps) != 1 || steps[0].Kind != StepTimerCleared { // nobody acts on that, and a closing's grace runs from its farewell
		s.SettledAt = microTime(now)
	}
	s.Failed = union(s.Failed, failed)
	if isEmpty(p) {
		s.Pending, s.Missing = nil, nil
		return
	}
	s.Missing = Audience(st)
}

// tookLong tells whether steps that move people took so long that some may have come into a session that had all of them already from one that had
// them later, and missed what came after the move.
func tookLong(st *v1alpha1.BreakoutSetStatus, steps []Step, now time.Time) bool {
	const soonest = 4 * time.Second // browsers move after five
	return st.Signals.StartedAt != nil && now.Sub(st.Signals.StartedAt.Time) > soonest && slices.ContainsFunc(steps, Step.ActsLater)
}

// settled is what is still to be said of the countdown when the step was said, and when that is to be said at the earliest.
func (s Step) settled() (v1alpha1.TimerChange, *metav1.MicroTime) {
	switch {
	case s.Kind == StepTimerSet && !s.Again.IsZero():
		return v1alpha1.TimerSet, microTime(s.Again)
	case s.Kind == StepTimerClear && !s.Again.IsZero():
		return v1alpha1.TimerClear, microTime(s.Again)
	case s.Kind == StepTimerClear:
		return v1alpha1.TimerCleared, nil
	default:
		return "", nil
	}
}

// Interrupt takes note of who was told to move when the telling of steps is broken off for a newer plan: told is how many of the steps each
// room's session has had. Who was told for certain is done with; the others whom the steps name may have been, and are told once more when
// their browsers have acted on it.
func Interrupt(st *v1alpha1.BreakoutSetStatus, steps []Step, told map[v1alpha1.BreakoutRoomName]int, now time.Time) {
	p := st.Signals.Pending
	if p == nil {
		return
	}
	var moved []personName
	for i, step := range steps {
		if step.keepsBusy(p) {
			st.Signals.RenamedAt = microTime(now)
		}
		for _, name := range step.Moves {
			at := slices.IndexFunc(p.Moved, func(m v1alpha1.PendingMove) bool { return m.Participant == name })
			switch {
			case at < 0:
			case p.Moved[at].NotBefore == nil && heard(p, p.Moved[at].From, told, i): // who may have been told before can be in another session
				moved = append(moved, name)
				p.Moved = slices.Delete(p.Moved, at, at+1)
			default:
				p.Moved[at].NotBefore = microTime(now.Add(reactionTime))
			}
		}
	}
	if len(moved) > 0 && p.Announcement == "" {
		p.Announcement = v1alpha1.AnnounceResend // the others have not heard where these are
	}
	remember(st, moved, now)
}

// heard tells whether everybody in a room has had step i for certain. Who was on the way to a room that is gone may be in the main room instead.
func heard(p *v1alpha1.PendingSignals, from roomName, told map[v1alpha1.BreakoutRoomName]int, i int) bool {
	gone := slices.ContainsFunc(p.Removed, func(r v1alpha1.BreakoutRoomStatus) bool { return r.Name == from })
	return told[from] > i && (!gone || told[mainRoom] > i)
}

// keepsBusy tells whether browsers act on a step without being named in it: those in a room that is renamed, or gone. A removal may be said
// again only after that, or who chose the room would change rooms twice.
func (s Step) keepsBusy(p *v1alpha1.PendingSignals) bool {
	return (s.Kind == StepEdited && len(p.Edited) > 0) || s.Kind == StepRemoved || s.Kind == StepAllRemoved
}

// sentBy are those whom a step may have sent somewhere: with mode Choose anybody can be in a removed room.
func sentBy(step Step, st *v1alpha1.BreakoutSetStatus) []personName {
	if st.Mode == v1alpha1.ModeChoose && (step.Kind == StepRemoved || step.Kind == StepAllRemoved) {
		return union(step.Moves, st.MainParticipants)
	}
	return step.Moves
}

func without(a, b v1alpha1.Announcement) v1alpha1.Announcement {
	if a == b {
		return ""
	}
	return a
}

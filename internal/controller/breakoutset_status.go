// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// writeStatus writes the status if it is not what the API server has, with the resourceVersion that it was read with,
// and then tells the story in events.
func (r *BreakoutSetReconciler) writeStatus(ctx context.Context, s *breakoutScope) error {
	s.conclude()
	if equality.Semantic.DeepEqual(s.stored, s.status()) {
		return nil
	}
	last := r.lastWritten.of(s.set)
	if next := last.Add(progressInterval); s.isProgress() && s.now.Before(next) {
		s.requeueAt(next)
		return nil
	}
	*last = s.now
	before := s.stored
	if err := r.Status().Update(ctx, s.set); err != nil {
		return err
	}
	s.stored, s.live = s.status().DeepCopy(), true
	r.recordStory(s, before)
	return nil
}

// progressInterval is how often at most a status is written that says nothing but how many rooms are ready by now: with
// hundreds of rooms each would be a large write of its own.
const progressInterval = time.Second

// isProgress tells whether the status differs from the written one in nothing but how far the rooms are.
func (s *breakoutScope) isProgress() bool {
	blank := func(st *v1alpha1.BreakoutSetStatus) *v1alpha1.BreakoutSetStatus {
		st = st.DeepCopy()
		st.Replicas, st.ReadyRooms = nil, nil
		for i := range st.Conditions {
			st.Conditions[i].Message = ""
		}
		return st
	}
	return equality.Semantic.DeepEqual(blank(s.stored), blank(s.status()))
}

// conclude computes counts and conditions from what the reconcile found. It does no I/O.
func (s *breakoutScope) conclude() {
	st := s.status()
	st.ObservedGeneration = s.set.Generation
	ready := 0
	for _, child := range s.children {
		if c := childOf(child); c.Ready && !c.Terminating {
			ready++
		}
	}
	breakout.ForgetRooms(st, func(room v1alpha1.BreakoutRoomStatus) bool {
		child := s.children[room.Name]
		return child == nil || child.Status.SessionID != room.SessionID
	})
	if breakout.IsClosing(s.set) && len(st.Signals.Sessions) == 0 && len(s.children) == 0 {
		breakout.Forget(st)
		s.requeueAt(s.now) // it may be wanted open again by now
	}
	st.Replicas, st.ReadyRooms = new(int32(len(s.children))), new(int32(ready))
	st.RoomSummary = fmt.Sprintf("%d/%d", len(breakout.Planned(st).Rooms), len(s.wanted))
	if breakout.IsOpen(s.set) && s.main != nil {
		st.Unassigned = s.assignment.Unassigned
	}
	phase := s.phase()
	st.State = phase.state
	setVerdict(s.set, v1alpha1.SignalsDeliveredCondition, s.delivered(), s.now)
	setVerdict(s.set, v1alpha1.OpenCondition, phase.open, s.now)
	if s.main != nil {
		setVerdict(s.set, v1alpha1.PlacementsHonouredCondition, s.placementsHonoured(), s.now)
	}
	summarise(s.set, phase.ready, s.now)
}

// phase is where the set stands.
type phase struct {
	state       v1alpha1.BreakoutSetState
	ready, open verdict
}

// phase tells where the set stands, from the first thing that applies.
func (s *breakoutScope) phase() phase {
	st := s.status()
	no := func(state v1alpha1.BreakoutSetState, reason, message string) phase {
		v := underWay(reason, message)
		return phase{state: state, ready: v, open: v}
	}
	switch open := breakout.IsOpen(s.set); {
	case breakout.IsClosing(s.set):
		return no(v1alpha1.StateClosing, v1alpha1.ClosingReason, "everybody is on the way back to the main room")
	case !s.set.DeletionTimestamp.IsZero():
		return no(v1alpha1.StateClosed, v1alpha1.DeletingReason, "the set is being deleted")
	case !s.schedule.Open && !open && len(s.children) > 0:
		return no(v1alpha1.StateClosing, v1alpha1.ClosingReason, "rooms that were never opened are being removed")
	case !s.schedule.Open && !open:
		return s.closedPhase()
	case s.failure != nil && s.failure.Reason == v1alpha1.WaitingReason:
		return phase{
			state: v1alpha1.StateWaiting,
			ready: achieved(s.failure.Reason, s.failure.Message),
			open:  *s.failure,
		}
	case s.failure != nil && s.failure.Reason == v1alpha1.MeetingRoomBusyReason:
		return phase{state: v1alpha1.StateWaiting, ready: *s.failure, open: *s.failure}
	case !open && s.failure != nil && s.main == nil:
		return phase{state: v1alpha1.StateClosed, ready: *s.failure, open: *s.failure}
	case !open && s.failure != nil:
		return phase{state: v1alpha1.StateOpening, ready: *s.failure, open: *s.failure}
	case !open:
		return no(
			v1alpha1.StateOpening,
			v1alpha1.OpeningReason,
			"waiting for rooms to have their session and tokens: "+s.namesOfUnready(),
		)
	case breakout.IsOpening(st):
		return no(v1alpha1.StateOpening, v1alpha1.OpeningReason, "everybody is being sent that the rooms are open")
	default:
		return s.openPhase()
	}
}

// closedPhase is where a set stands whose rooms are, as they should be, not open.
func (s *breakoutScope) closedPhase() phase {
	messages := map[string]string{
		v1alpha1.ClosedReason:    "closed, as spec.state asks",
		v1alpha1.TimeUpReason:    "the time is up; a longer durationSeconds opens the rooms again",
		v1alpha1.ScheduledReason: "opens at spec.openAt",
		v1alpha1.MissedReason: "never opened, and the time from spec.openAt on is over; a later openAt or a longer " +
			"durationSeconds opens the rooms",
	}
	p := phase{state: v1alpha1.StateClosed, ready: achieved(s.schedule.Reason, messages[s.schedule.Reason])}
	if s.schedule.Reason == v1alpha1.ScheduledReason {
		p.state = v1alpha1.StateScheduled
	}
	p.open = underWay(p.ready.Reason, p.ready.Message)
	return p
}

// openPhase is where a set stands whose opening was delivered.
func (s *breakoutScope) openPhase() phase {
	p := phase{
		state: v1alpha1.StateOpen,
		open:  achieved(v1alpha1.OpenedReason, "the rooms are open"+s.onTheWay()),
		ready: achieved(
			v1alpha1.OpenedReason,
			"the rooms are open, and everybody was sent where they belong"+s.onTheWay(),
		),
	}
	switch lags := len(breakout.Lagging(s.status())) > 0; {
	case s.failure != nil:
		p.ready = *s.failure
	case lags:
		d := s.delivered()
		p.ready, p.open = underWay(v1alpha1.UpdatingReason, d.Message), underWay(v1alpha1.UpdatingReason, d.Message)
	case s.held:
		p.ready = underWay(
			v1alpha1.UpdatingReason,
			"rooms get their new names when everybody has gone where they were sent",
		)
	case s.behind():
		p.ready = underWay(
			v1alpha1.UpdatingReason,
			"waiting for rooms to have their session and tokens: "+s.namesOfUnready(),
		)
	}
	return p
}

// onTheWay names some of those who are on the move, for messages.
func (s *breakoutScope) onTheWay() string {
	moving := s.status().Signals.Moving
	if len(moving) == 0 {
		return ""
	}
	const most = 5
	names := make([]string, 0, most+1)
	for _, name := range moving[:min(most, len(moving))] {
		names = append(names, string(name))
	}
	if len(moving) > most {
		names = append(names, "…")
	}
	if len(moving) == 1 {
		return "; 1 person is on the way: " + names[0]
	}
	return fmt.Sprintf("; %d people are on their way: %s", len(moving), strings.Join(names, ", "))
}

// behind tells whether rooms or people are not where the spec wants them because something is not ready.
func (s *breakoutScope) behind() bool {
	if len(breakout.Planned(s.status()).Rooms) != len(s.wanted) || s.status().Mode != breakout.ModeOf(s.set) {
		return true
	}
	if len(s.children) > len(s.wanted) || s.status().Mode != breakout.ModeOf(s.set) {
		return true
	}
	places := breakout.Planned(s.status()).Places()
	for p, room := range s.assignment.Places {
		if places[p] != room {
			return true
		}
	}
	return false
}

// namesOfUnready names some of the wanted rooms that are not ready, for people to look into.
func (s *breakoutScope) namesOfUnready() string {
	const most = 5
	var names []string
	for _, room := range s.wanted {
		child := s.children[room.Name]
		if child == nil || !child.DeletionTimestamp.IsZero() || !childOf(child).Ready {
			names = append(names, string(room.Name))
		}
	}
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return strings.Join(names, ", ")
}

// delivered is what condition SignalsDelivered says.
func (s *breakoutScope) delivered() verdict {
	st := s.status()
	lagging := breakout.Lagging(st)
	failed := slices.ContainsFunc(
		lagging,
		func(e v1alpha1.SessionSignals) bool { return e.Reason != v1alpha1.PendingReason },
	)
	switch {
	case failed && s.deliveryFailure != nil:
		return *s.deliveryFailure
	case failed:
		if c := meta.FindStatusCondition(
			st.Conditions,
			v1alpha1.SignalsDeliveredCondition,
		); c != nil && c.Status == metav1.ConditionFalse &&
			c.Reason != v1alpha1.DeliveringReason {
			return underWay(c.Reason, c.Message) // what was wrong when they failed
		}
		return underWay(
			v1alpha1.DeliveringReason,
			"some sessions could not be sent the present state, see status.signals.sessions; "+
				"the operator goes on trying",
		)
	case len(lagging) > 0:
		return underWay(v1alpha1.DeliveringReason, "signals of what changed are being sent")
	case st.Signals.Revision == 0:
		return achieved(v1alpha1.NothingToSayReason, "there was nothing to send to anybody yet")
	default:
		return achieved(v1alpha1.DeliveredReason, "every session was sent the present state"+s.onTheWay())
	}
}

// placementsHonoured is what condition PlacementsHonoured says.
func (s *breakoutScope) placementsHonoured() verdict {
	a := s.assignment
	switch {
	case len(a.UnknownRooms) > 0:
		p := a.UnknownRooms[0]
		return underWay(
			v1alpha1.UnknownRoomReason,
			fmt.Sprintf(
				"the placement of %q names room %q, which this set does not have: "+
					"name another room, or remove the placement",
				p.Participant,
				p.Room,
			),
		)
	case len(a.UnknownParticipants) > 0:
		return underWay(
			v1alpha1.UnknownParticipantReason,
			fmt.Sprintf(
				"a placement names %q, who is no participant of the meeting room: "+
					"add the participant, or remove the placement",
				a.UnknownParticipants[0].Participant,
			),
		)
	case len(a.OverCapacity) > 0:
		return underWay(
			v1alpha1.OverCapacityReason,
			fmt.Sprintf(
				"room %q has more people than it takes: "+
					"raise its maxParticipants, or place somebody elsewhere; nobody is thrown out",
				a.OverCapacity[0],
			),
		)
	case len(a.Unassigned) > 0:
		return underWay(
			v1alpha1.NoPlaceLeftReason,
			"the rooms are full: status.unassigned names who stays in the main room",
		)
	case len(s.adjusted) > 0:
		return underWay(
			v1alpha1.NamesAdjustedReason,
			fmt.Sprintf(
				"room %q is shown with a number, since its displayName is another room's too: give it another one",
				s.adjusted[0],
			),
		)
	default:
		return achieved(v1alpha1.PlacementsHonouredReason, "everybody is where the assignment wants them")
	}
}

// stories are the events that tell what was sent to everybody.
var stories = map[v1alpha1.SignalKind][2]string{
	v1alpha1.SignalCountdown: {"TimerSent", "Sent everybody when the time is up"},
	v1alpha1.SignalRooms:     {"RoomsEdited", "Sent the rooms' present names and sizes"},
	v1alpha1.SignalOpening:   {"RoomsOpened", "Sent everybody that the rooms are open"},
	v1alpha1.SignalAdded:     {"RoomsAdded", "Sent that there are more rooms"},
	v1alpha1.SignalMoves:     {"ParticipantsMoved", "Sent people to another room"},
	v1alpha1.SignalRemoval:   {"RoomsRemoved", "Called everybody out of rooms that are gone"},
	v1alpha1.SignalPrompt:    {"RoomsOffered", "Asked those in the main room to choose a room"},
	v1alpha1.SignalRoles:     {"RolesChanged", "Sent everybody who leads"},
}

// recordStory records events of what was sent since the last write, and of a failure that is new.
func (r *BreakoutSetReconciler) recordStory(s *breakoutScope, before *v1alpha1.BreakoutSetStatus) {
	for _, kind := range r.deliveries.of(s.set).TakeSent() {
		r.Recorder.Eventf(s.set, nil, corev1.EventTypeNormal, stories[kind][0], "Send", "%s", stories[kind][1])
	}
	was, is := meta.FindStatusCondition(
		before.Conditions,
		v1alpha1.ReadyCondition,
	), meta.FindStatusCondition(
		s.status().Conditions,
		v1alpha1.ReadyCondition,
	)
	if was != nil && was.Reason == is.Reason {
		return
	}
	quiet := []string{v1alpha1.OpeningReason, v1alpha1.UpdatingReason, v1alpha1.OpenedReason, v1alpha1.DeletingReason}
	switch {
	case slices.Contains(quiet, is.Reason):
	case is.Status == metav1.ConditionTrue || is.Reason == v1alpha1.ClosingReason:
		r.Recorder.Eventf(s.set, nil, corev1.EventTypeNormal, is.Reason, "Schedule", "%s", is.Message)
	case meta.IsStatusConditionTrue(s.status().Conditions, v1alpha1.StalledCondition),
		is.Reason == v1alpha1.MeetingRoomBusyReason:
		r.Recorder.Eventf(s.set, nil, corev1.EventTypeWarning, is.Reason, "Reconcile", "%s", is.Message)
	}
}

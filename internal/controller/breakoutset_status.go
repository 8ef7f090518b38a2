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

// writeStatus writes the status if it is not what the API server has, with the resourceVersion that it was read with, and then tells the
// story in events.
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

// progressInterval is how often at most a status is written that says nothing but how many rooms are ready by now: with hundreds of rooms each
// would be a large write of its own.
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
	if breakout.IsClosing(s.set) && st.Signals.Pending == nil && len(s.children) == 0 {
		breakout.Forget(st)
		s.requeueAt(s.now) // it may be wanted open again by now
	}
	st.Replicas, st.ReadyRooms = new(int32(len(s.children))), new(int32(ready))
	st.RoomSummary = fmt.Sprintf("%d/%d", len(st.Rooms), len(s.wanted))
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
		return phase{state: v1alpha1.StateWaiting, ready: achieved(s.failure.Reason, s.failure.Message), open: *s.failure}
	case s.failure != nil && s.failure.Reason == v1alpha1.MeetingRoomBusyReason:
		return phase{state: v1alpha1.StateWaiting, ready: *s.failure, open: *s.failure}
	case !open && s.failure != nil && s.main == nil:
		return phase{state: v1alpha1.StateClosed, ready: *s.failure, open: *s.failure}
	case !open && s.failure != nil:
		return phase{state: v1alpha1.StateOpening, ready: *s.failure, open: *s.failure}
	case !open:
		return no(v1alpha1.StateOpening, v1alpha1.OpeningReason, "waiting for rooms to have their session and tokens: "+s.namesOfUnready())
	case st.Signals.Pending != nil && st.Signals.Pending.Announcement == v1alpha1.AnnounceOpening:
		return no(v1alpha1.StateOpening, v1alpha1.OpeningReason, "telling everybody that the rooms are open")
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
		v1alpha1.MissedReason:    "never opened, and the time from spec.openAt on is over; a later openAt or a longer durationSeconds opens the rooms",
	}
	p := phase{state: v1alpha1.StateClosed, ready: achieved(s.schedule.Reason, messages[s.schedule.Reason])}
	if s.schedule.Reason == v1alpha1.ScheduledReason {
		p.state = v1alpha1.StateScheduled
	}
	p.open = underWay(p.ready.Reason, p.ready.Message)
	return p
}

// openPhase is where a set stands whose opening everybody was told.
func (s *breakoutScope) openPhase() phase {
	st := s.status()
	p := phase{state: v1alpha1.StateOpen, open: achieved(v1alpha1.OpenedReason, "the rooms are open"), ready: achieved(v1alpha1.OpenedReason, "the rooms are open and everybody was told")}
	switch {
	case s.failure != nil:
		p.ready = *s.failure
	case st.Signals.Pending != nil:
		p.ready = underWay(v1alpha1.UpdatingReason, "telling everybody what changed")
	case s.held:
		p.ready = underWay(v1alpha1.UpdatingReason, "rooms get their new names when everybody has gone where they were sent")
	case s.behind():
		p.ready = underWay(v1alpha1.UpdatingReason, "waiting for rooms to have their session and tokens: "+s.namesOfUnready())
	case len(st.Signals.Failed) > 0:
		d := s.delivered()
		p.ready = stalled(d.Reason, d.Message)
	}
	return p
}

// behind tells whether rooms or people are not where the spec wants them because something is not ready.
func (s *breakoutScope) behind() bool {
	if len(s.status().Rooms) != len(s.wanted) {
		return true
	}
	if len(s.children) > len(s.wanted) {
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
	signals := s.status().Signals
	switch {
	case signals.Pending != nil && s.deliveryFailure != nil:
		return *s.deliveryFailure
	case signals.Pending != nil:
		return underWay(v1alpha1.DeliveringReason, "telling everybody what changed")
	case len(signals.Failed) > 0 && s.deliveryFailure != nil:
		return *s.deliveryFailure
	case len(signals.Failed) > 0:
		if c := meta.FindStatusCondition(s.status().Conditions, v1alpha1.SignalsDeliveredCondition); c != nil && c.Status == metav1.ConditionFalse && c.Reason != v1alpha1.DeliveringReason {
			return underWay(c.Reason, c.Message) // what was wrong when they failed
		}
		return underWay(v1alpha1.DeliveryFailedReason, "some rooms could not be told, see status.signals.failed: give annotation "+v1alpha1.ResendAnnotation+" a new value to tell them again")
	case signals.Revision == 0:
		return achieved(v1alpha1.NothingToSayReason, "there was nothing to tell yet")
	default:
		return achieved(v1alpha1.DeliveredReason, "everybody was told")
	}
}

// placementsHonoured is what condition PlacementsHonoured says.
func (s *breakoutScope) placementsHonoured() verdict {
	a := s.assignment
	switch {
	case len(a.UnknownRooms) > 0:
		p := a.UnknownRooms[0]
		return underWay(v1alpha1.UnknownRoomReason, fmt.Sprintf("the placement of %q names room %q, which this set does not have: name another room, or remove the placement", p.Participant, p.Room))
	case len(a.UnknownParticipants) > 0:
		return underWay(v1alpha1.UnknownParticipantReason, fmt.Sprintf("a placement names %q, who is no participant of the meeting room: add the participant, or remove the placement", a.UnknownParticipants[0].Participant))
	case len(a.OverCapacity) > 0:
		return underWay(v1alpha1.OverCapacityReason, fmt.Sprintf("room %q has more people than it takes: raise its maxParticipants, or place somebody elsewhere; nobody is thrown out", a.OverCapacity[0]))
	case len(a.Unassigned) > 0:
		return underWay(v1alpha1.NoPlaceLeftReason, "the rooms are full: status.unassigned names who stays in the main room")
	case len(s.adjusted) > 0:
		return underWay(v1alpha1.NamesAdjustedReason, fmt.Sprintf("room %q is shown with a number, since its displayName is another room's too: give it another one", s.adjusted[0]))
	default:
		return achieved(v1alpha1.PlacementsHonouredReason, "everybody is where the assignment wants them")
	}
}

// stories are the events that tell what was said to everybody, by step.
var stories = map[breakout.StepKind][2]string{
	breakout.StepCreated:      {"RoomsOpened", "Told everybody that the rooms are open"},
	breakout.StepAdded:        {"RoomsAdded", "Told everybody that there are more rooms"},
	breakout.StepEdited:       {"RoomsEdited", "Told everybody the rooms' present names and sizes"},
	breakout.StepMoved:        {"ParticipantsMoved", "Sent people to another room"},
	breakout.StepRemoved:      {"RoomsRemoved", "Told everybody that rooms are gone"},
	breakout.StepAllRemoved:   {"AllRoomsRemoved", "Called everybody back to the main room"},
	breakout.StepTimerSet:     {"TimerSet", "Told everybody when the time is up"},
	breakout.StepTimerCleared: {"TimerCleared", "Told everybody that there is no time limit any more"},
	breakout.StepRoles:        {"RolesChanged", "Told everybody who leads"},
	breakout.StepChoose:       {"RoomsOffered", "Asked those in the main room to choose a room"},
}

// recordStory records events of what was told since the last write, and of a problem that is new.
func (r *BreakoutSetReconciler) recordStory(s *breakoutScope, before *v1alpha1.BreakoutSetStatus) {
	for _, step := range s.completed {
		if story, ok := stories[step.Kind]; ok {
			r.Recorder.Eventf(s.set, nil, corev1.EventTypeNormal, story[0], "Tell", story[1])
		}
	}
	s.completed = nil
	was, is := meta.FindStatusCondition(before.Conditions, v1alpha1.ReadyCondition), meta.FindStatusCondition(s.status().Conditions, v1alpha1.ReadyCondition)
	if was != nil && was.Reason == is.Reason {
		return
	}
	quiet := []string{v1alpha1.OpeningReason, v1alpha1.UpdatingReason, v1alpha1.OpenedReason, v1alpha1.DeletingReason}
	switch {
	case slices.Contains(quiet, is.Reason):
	case is.Status == metav1.ConditionTrue || is.Reason == v1alpha1.ClosingReason:
		r.Recorder.Eventf(s.set, nil, corev1.EventTypeNormal, is.Reason, "Schedule", "%s", is.Message)
	case meta.IsStatusConditionTrue(s.status().Conditions, v1alpha1.StalledCondition) || is.Reason == v1alpha1.MeetingRoomBusyReason:
		r.Recorder.Eventf(s.set, nil, corev1.EventTypeWarning, is.Reason, "Reconcile", "%s", is.Message)
	}
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// planSignals compares what people should know with what they were told, and writes down the difference before anybody is told of it.
func (r *BreakoutSetReconciler) planSignals(ctx context.Context, s *breakoutScope) error {
	before := s.status().Signals.Revision
	switch open := breakout.IsOpen(s.set); {
	case open && (!s.wantsOpen() || !s.holds):
		planClosing(s, r.telling.begun(s.set))
	case open:
		planUpdate(s, r.telling.begun(s.set), r.gathering.of(s.set))
	case s.wantsOpen() && s.holds && !breakout.IsClosing(s.set) && s.failure == nil:
		planOpening(s)
	}
	planClock(s)
	if s.status().Signals.Revision == before {
		return nil
	}
	if err := r.ensureRoomsLive(ctx, s); err != nil {
		return err
	}
	if err := r.writeStatus(ctx, s); err != nil {
		return err
	}
	r.telling.planned(s.set)
	return nil
}

// ensureRoomsLive makes sure, before a plan is made of them, that the main room and the breakout rooms are the API server's and not older ones
// of the cache: a leader that does not know that it is none any more would tell everybody what was true once. Calling people back takes the main
// room alone.
func (r *BreakoutSetReconciler) ensureRoomsLive(ctx context.Context, s *breakoutScope) error {
	main := &metav1.PartialObjectMetadata{}
	main.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MeetingRoom"))
	key := client.ObjectKey{Namespace: s.set.Namespace, Name: s.set.Spec.MeetingRoomRef.Name}
	if err := r.APIReader.Get(ctx, key, main); client.IgnoreNotFound(err) != nil {
		return err
	}
	known := ""
	if s.lookedAt != nil {
		known = s.lookedAt.ResourceVersion
	}
	if main.ResourceVersion != known {
		return errStaleCache
	}
	if !breakout.IsOpen(s.set) {
		return nil
	}
	var rooms metav1.PartialObjectMetadataList
	rooms.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MeetingRoomList"))
	if err := r.APIReader.List(ctx, &rooms, client.InNamespace(s.set.Namespace), client.MatchingLabels{v1alpha1.BreakoutSetLabel: s.set.Name}); err != nil {
		return err
	}
	live := make(map[types.UID]string, len(rooms.Items))
	for i := range rooms.Items {
		if room := &rooms.Items[i]; metav1.IsControlledBy(room, s.set) {
			live[room.UID] = room.ResourceVersion
		}
	}
	cached := make(map[types.UID]string, len(s.children))
	for _, room := range s.children {
		cached[room.UID] = room.ResourceVersion
	}
	if !maps.Equal(live, cached) {
		return errStaleCache
	}
	return nil
}

// planClock keeps what the status says of the schedule in step with the spec.
func planClock(s *breakoutScope) {
	st := s.status()
	if !s.schedule.Open && !breakout.IsOpen(s.set) && s.schedule.Reason != v1alpha1.TimeUpReason {
		st.OpenedAt, st.ClosesAt = nil, nil // whatever opens next opens anew
	}
	if st.OpenedAt != nil {
		st.ClosesAt = nil
		if duration := breakout.Duration(s.set); duration > 0 {
			st.ClosesAt = &metav1.Time{Time: st.OpenedAt.Add(duration)}
		}
	}
}

// planOpening opens the rooms when all are ready, or when those that are not have been waited for long enough.
func planOpening(s *breakoutScope) {
	st := s.status()
	opened := metav1.NewTime(s.now.Truncate(time.Second))
	if s.schedule.ClosesAt.After(s.now) {
		opened = *st.OpenedAt // the time was up and is not any more: the same opening goes on
	}
	view, adjusted := breakout.ViewOf(s.viewInput(breakout.TimerOf(s.set, opened.Time)))
	if len(view.Rooms) < len(s.wanted) {
		patience := s.firstChildMade().Add(breakout.OpeningPatience)
		if s.now.Before(patience) {
			s.requeueAt(patience)
			return
		}
		if len(view.Rooms) == 0 {
			return // there is nothing to open yet; the first room to be ready is an event
		}
	}
	s.adjusted = adjusted
	st.AccountName = s.main.Status.AccountName
	st.OpenedAt, st.ClosedAt = &opened, nil
	st.LastHandledResend = resendValue(s.set)
	breakout.PlanOpening(st, view, s.now)
	s.schedule = breakout.ScheduleOf(s.set, s.now)
	s.requeueAt(s.schedule.Next)
}

// gatherPatience is how long a change waits for what belongs to it, such as tokens for all who move: then all of it is told at once.
const gatherPatience = 2 * time.Second

// planUpdate plans to tell what is different from what people know, or all of it again when the annotation asks for that. A telling that has begun
// is broken off if there is anything. since is when something was missing first; zero when nothing is.
func planUpdate(s *breakoutScope, begun *telling, since *time.Time) {
	st := s.status()
	in := s.viewInput(breakout.TimerOf(s.set, st.OpenedAt.Time))
	view, adjusted := breakout.ViewOf(in)
	s.adjusted = adjusted
	switch {
	case in.Complete(view):
		*since = time.Time{}
	case since.IsZero():
		*since = s.now
	}
	if until := since.Add(gatherPatience); !since.IsZero() && s.now.Before(until) {
		s.requeueAt(until)
		view = breakout.Planned(st)
	}
	resend := resendValue(s.set)
	asked := resend != "" && resend != st.LastHandledResend // taking the annotation off asks for nothing
	st.LastHandledResend = resend
	next := st.DeepCopy()
	told := begun.interrupt(next, s.now)
	if breakout.PlanUpdate(next, view, asked, s.now) {
		*st = *next
		s.completed = append(s.completed, told...)
	}
	if s.held = !breakout.Planned(st).Equal(view); s.held {
		_, until := breakout.RenamesHeld(st, s.now)
		s.requeueAt(until)
	}
}

// maxResendValue is how much of annotation resend the status takes.
const maxResendValue = 253

// resendValue is the value of annotation resend, or what tells it from others where it is too long for the status.
func resendValue(set *v1alpha1.BreakoutSet) string {
	value := set.Annotations[v1alpha1.ResendAnnotation]
	if len(value) <= maxResendValue {
		return value
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(value)))
}

// planClosing plans to tell everybody to come back.
func planClosing(s *breakoutScope, begun *telling) {
	st := s.status()
	s.completed = append(s.completed, begun.interrupt(st, s.now)...)
	farewell := s.now
	if s.schedule.Reason == v1alpha1.TimeUpReason {
		farewell = breakout.FarewellAt(s.set, s.schedule.ClosesAt)
	}
	breakout.PlanClosing(st, farewell, s.now)
	st.ClosedAt = &metav1.Time{Time: s.now.Truncate(time.Second)}
	st.Unassigned = nil
}

// viewInput is what the view of what people should know now follows from.
func (s *breakoutScope) viewInput(timer *v1alpha1.TimerStatus) breakout.ViewInput {
	st, in := s.status(), breakout.ViewInput{
		Main: s.main, Rooms: s.wanted, Children: map[v1alpha1.BreakoutRoomName]breakout.Child{},
		Places: s.assignment.Places, Open: breakout.IsOpen(s.set), Timer: timer, Mode: s.mode(),
	}
	for name, child := range s.children {
		in.Children[name] = childOf(child)
	}
	if in.Open {
		in.Planned = breakout.Planned(st)
		in.Linger = s.failure == nil
		if p := st.Signals.Pending; p != nil {
			in.Leaving = p.Removed
		}
		var free time.Time
		in.FormerNames, free = breakout.FormerNames(st, s.now)
		s.requeueAt(free)
		if in.Mode == v1alpha1.ModeChoose && in.Planned.Mode != in.Mode && !s.everybodyHasTokens() {
			in.Mode = in.Planned.Mode // nobody is asked to choose before there are tokens for every choice
		}
	}
	return in
}

// everybodyHasTokens is whether every breakout room has published the tokens that it is asked for.
func (s *breakoutScope) everybodyHasTokens() bool {
	for _, child := range s.children {
		if child.DeletionTimestamp.IsZero() && !childOf(child).Ready {
			return false
		}
	}
	return true
}

func (s *breakoutScope) mode() v1alpha1.BreakoutSetMode {
	if a := s.set.Spec.Assignment; a != nil && a.Mode != "" {
		return a.Mode
	}
	return v1alpha1.ModeAutomatic
}

// childOf is what a view needs to know of a breakout room's MeetingRoom.
func childOf(room *v1alpha1.MeetingRoom) breakout.Child {
	observed := room.Status.ObservedGeneration == room.Generation
	c := breakout.Child{
		MeetingRoomName: room.Name,
		SessionID:       room.Status.SessionID,
		Ready:           observed && room.Status.SessionID != "",
		Terminating:     !room.DeletionTimestamp.IsZero(),
		Tokens:          make(map[v1alpha1.ParticipantName]bool, len(room.Status.Tokens)),
	}
	for _, t := range room.Status.Tokens {
		c.Tokens[t.Participant] = observed
	}
	return c
}

// firstChildMade is when the first of the breakout rooms was made; now when there is none.
func (s *breakoutScope) firstChildMade() time.Time {
	first := s.now
	for _, child := range s.children {
		if child.CreationTimestamp.Time.Before(first) {
			first = child.CreationTimestamp.Time
		}
	}
	return first
}

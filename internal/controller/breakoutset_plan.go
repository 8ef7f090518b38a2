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
	"github.com/breakout-operator/breakout-operator/internal/sampleapp"
)

// planSignals compares what people should know with what they are sent, and writes down what each session is owed
// before any is sent it.
func (r *BreakoutSetReconciler) planSignals(ctx context.Context, s *breakoutScope) error {
	st, delivery, since := s.status(), r.deliveries.of(s.set), r.gathering.of(s.set)
	delivery.Observe(st, s.now)
	resend := resendValue(s.set)
	asked := breakout.Request{
		Resend: resend != "" && resend != st.LastHandledResend,
	} // taking the annotation off asks for nothing
	d := breakout.Decide(s.decisionInput(asked, *since, delivery.MovingTo()))
	*since, s.adjusted, s.held = d.MissingSince, d.Adjusted, d.Held
	s.requeueAt(d.Again)
	before := st.Signals.Revision
	if d.Action != breakout.DoNothing {
		delivery.Fold(st, s.now)
		if asked.Resend {
			delivery.Recall(breakout.Planned(st).People(), s.now)
		}
		d.Apply(s.set, s.callBackAt(delivery), s.now)
	}
	if breakout.IsOpen(s.set) && s.wantsOpen() {
		st.LastHandledResend = resend
	}
	if d.Action == breakout.DoOpen {
		st.AccountName = s.main.Status.AccountName
		s.schedule = breakout.ScheduleOf(s.set, s.now)
		s.requeueAt(s.schedule.Next)
	}
	planClock(s)
	if st.Signals.Revision == before {
		return nil
	}
	if err := r.ensureRoomsLive(ctx, s); err != nil {
		return err
	}
	r.revisions.Store(s.set.UID, st.Signals.Revision)
	return r.writeStatus(ctx, s)
}

// decisionInput is what to do about the set follows from.
func (s *breakoutScope) decisionInput(
	asked breakout.Request,
	missingSince time.Time,
	movingTo map[v1alpha1.BreakoutRoomName]time.Time,
) breakout.Input {
	in := breakout.Input{
		Set:          s.set,
		Schedule:     s.schedule,
		Now:          s.now,
		Main:         s.main,
		Rooms:        s.wanted,
		Children:     map[v1alpha1.BreakoutRoomName]breakout.Child{},
		FirstMade:    s.firstChildMade(),
		Places:       s.assignment.Places,
		Holds:        s.holds,
		Blocked:      s.failure != nil,
		MissingSince: missingSince,
		MovingTo:     movingTo,
		Request:      asked,
	}
	for name, child := range s.children {
		in.Children[name] = childOf(child)
	}
	return in
}

// callBackAt is when people are called back if the set closes now: not while some are about to go where they were sent.
func (s *breakoutScope) callBackAt(delivery *sampleapp.Delivery) time.Time {
	at := delivery.MovingUntil()
	if s.schedule.Reason == v1alpha1.TimeUpReason {
		if up := sampleapp.CallBackAt(s.set, s.schedule.ClosesAt); up.After(at) {
			return up
		}
	}
	return at
}

// ensureRoomsLive makes sure, before a plan is made of them, that the main room and the breakout rooms are the API
// server's and not older ones of the cache: a leader that does not know that it is none any more would send everybody
// what was true once. Calling people back takes the main room alone.
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
	if err := r.APIReader.List(
		ctx,
		&rooms,
		client.InNamespace(s.set.Namespace),
		client.MatchingLabels{v1alpha1.BreakoutSetLabel: s.set.Name},
	); err != nil {
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

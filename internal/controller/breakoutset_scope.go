// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// breakoutScope is what one reconcile of a BreakoutSet works on.
type breakoutScope struct {
	scope

	// set is the set as last read or written, with the status as it is to be written next; stored is the status as it
	// is in the API server.
	set    *v1alpha1.BreakoutSet
	stored *v1alpha1.BreakoutSetStatus

	// live is whether set was read from, or written to, the API server in this reconcile.
	live bool

	// schedule is what the clock and the spec say.
	schedule breakout.Schedule

	// lookedAt is the main room as last read or written, nil when there is none; main is the same, and nil also when it
	// cannot be used.
	lookedAt, main *v1alpha1.MeetingRoom

	// wanted are the rooms that the spec asks for, children the MeetingRooms of the set by room name.
	wanted   []v1alpha1.BreakoutRoomSpec
	children map[v1alpha1.BreakoutRoomName]*v1alpha1.MeetingRoom

	// holds is whether the set has the main room to itself.
	holds bool

	// assignment is who goes where, adjusted the rooms whose names had to be changed.
	assignment breakout.Assignment
	adjusted   []v1alpha1.BreakoutRoomName

	// held is whether rooms keep their names for a moment, because browsers could not learn new ones now.
	held bool

	// failure is what stands in the way; nil when nothing does.
	failure *verdict

	// deliveryFailure is why some session has not received everything yet; nil when there is none.
	deliveryFailure *verdict
}

func (s *breakoutScope) status() *v1alpha1.BreakoutSetStatus { return &s.set.Status }

// stall records what stands in the way until somebody changes something, wait what the operator waits for by itself.
func (s *breakoutScope) stall(reason, message string) { v := stalled(reason, message); s.failure = &v }
func (s *breakoutScope) wait(reason, message string)  { v := underWay(reason, message); s.failure = &v }

// wantsOpen is whether the rooms should be open now, as far as the set itself shows and nothing stands in the way.
func (s *breakoutScope) wantsOpen() bool { return s.schedule.Open && s.main != nil }

// gather reads everything that a reconcile of the set needs; nil when there is nothing to do for it.
func (r *BreakoutSetReconciler) gather(ctx context.Context, key types.NamespacedName) (*breakoutScope, error) {
	set := &v1alpha1.BreakoutSet{}
	if err := r.Get(ctx, key, set); err != nil {
		r.lastWritten.forget(key)
		r.gathering.forget(key)
		r.released.forget(key)
		r.deliveries.forget(key)
		r.failures.forget(key)
		return nil, client.IgnoreNotFound(err)
	}
	if *r.released.of(set) {
		return nil, nil
	}
	s := &breakoutScope{scope: newScope(), set: set, stored: set.Status.DeepCopy()}
	if err := r.readChildren(ctx, s); err != nil {
		return nil, err
	}
	if err := r.readMain(ctx, s); err != nil {
		return nil, err
	}
	s.schedule = breakout.ScheduleOf(set, s.now)
	s.requeueAt(s.schedule.Next)
	s.wanted = breakout.RoomsOf(&set.Spec)
	return s, nil
}

func (r *BreakoutSetReconciler) readChildren(ctx context.Context, s *breakoutScope) error {
	var rooms v1alpha1.MeetingRoomList
	if err := r.List(
		ctx, &rooms, client.InNamespace(s.set.Namespace), client.MatchingFields{ownerIndex: s.set.Name},
	); err != nil {
		return err
	}
	s.children = make(map[v1alpha1.BreakoutRoomName]*v1alpha1.MeetingRoom, len(rooms.Items))
	for i := range rooms.Items {
		if room := &rooms.Items[i]; metav1.IsControlledBy(room, s.set) {
			s.children[v1alpha1.BreakoutRoomName(room.Labels[v1alpha1.BreakoutRoomLabel])] = room
		}
	}
	return nil
}

// readMain finds the main room and says what is wrong with it. While the set is open only the room that it was opened
// with will do.
func (r *BreakoutSetReconciler) readMain(ctx context.Context, s *breakoutScope) error {
	name := s.set.Spec.MeetingRoomRef.Name
	main := &v1alpha1.MeetingRoom{}
	err := r.Get(ctx, client.ObjectKey{Namespace: s.set.Namespace, Name: name}, main)
	if err == nil {
		s.lookedAt = main
	}
	switch {
	case client.IgnoreNotFound(err) != nil:
		return err
	case err != nil || !main.DeletionTimestamp.IsZero():
		s.stall(v1alpha1.MeetingRoomNotFoundReason, "there is no MeetingRoom "+name+
			" in this namespace: make it, or delete this set")
	case main.Labels[v1alpha1.BreakoutSetLabel] != "" && metav1.GetControllerOf(main) != nil:
		s.stall(v1alpha1.MeetingRoomIsBreakoutReason, "MeetingRoom "+name+
			" is itself a breakout room: make a set for another MeetingRoom")
	case breakout.IsOpen(s.set) && main.Status.SessionID != s.set.Status.MainSessionID:
		s.wait(v1alpha1.MeetingRoomNotReadyReason, "MeetingRoom "+name+
			" has another session than when the rooms were opened: they are closed, and opened anew")
	case main.Status.SessionID == "":
		s.wait(v1alpha1.MeetingRoomNotReadyReason, "waiting for MeetingRoom "+name+
			" to have a session; its conditions say what is missing")
	default:
		s.main = main
	}
	return nil
}

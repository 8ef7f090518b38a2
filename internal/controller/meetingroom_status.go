// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// readyRoom is what is to be said of a room, given its session and its tokens.
func readyRoom(session, tokens verdict) verdict {
	switch {
	case !session.ok():
		return session
	case !tokens.ok():
		return tokens
	default:
		return achieved(v1alpha1.RoomReadyReason, "the session is there and every participant has a valid token")
	}
}

// concludeRoom sets a room's conditions. Its generation is observed when it is carried out, or cannot be until somebody
// changes something; not while the operator is still at work.
func concludeRoom(room *v1alpha1.MeetingRoom, session, tokens verdict, now time.Time) {
	ready := readyRoom(session, tokens)
	summarise(room, ready, now)
	setVerdict(room, v1alpha1.SessionReadyCondition, session, now)
	setVerdict(room, v1alpha1.TokensReadyCondition, tokens, now)
	if ready.ok() || ready.Stalled {
		room.Status.ObservedGeneration = room.Generation
	}
}

// writeStatus writes the status, if it says something new.
func (r *MeetingRoomReconciler) writeStatus(ctx context.Context, s *roomScope) error {
	if s.unpublished {
		return r.publishSession(ctx, s)
	}
	err := r.updateStatus(ctx, s)
	if apierrors.IsNotFound(err) {
		return errStaleCache
	}
	return err
}

// updateStatus writes the status, locked by the resourceVersion that the scope is based on, if it differs from what is
// there.
func (r *MeetingRoomReconciler) updateStatus(ctx context.Context, s *roomScope) error {
	concludeRoom(s.room, s.session, s.tokens, time.Now())
	if equality.Semantic.DeepEqual(s.stored.Status, s.room.Status) {
		return nil
	}
	if err := r.Status().Update(ctx, s.room); err != nil {
		return err
	}
	r.writes.Wrote(s.room)
	recordReady(r.Recorder, s.stored, s.room, "Reconcile")
	s.stored, s.room, s.live = s.room, s.room.DeepCopy(), true
	return nil
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// recheckLock is how often the holder of a room is looked at when no event asks for it: the clock alone can end a set's
// right.
const recheckLock = 30 * time.Second

// releaseLock frees the room for the next BreakoutSet when the one that has it is gone or has no right to it any more.
// It is taken by the BreakoutSet controller; both write it locked by the room's resourceVersion.
func (r *MeetingRoomReconciler) releaseLock(ctx context.Context, s *roomScope) error {
	lock := s.room.Status.ActiveBreakoutSet
	if lock == nil {
		return nil
	}
	set, err := r.holder(ctx, r.Client, s.room, s.now)
	if err == nil && set == nil {
		set, err = r.holder(ctx, r.APIReader, s.room, s.now) // the cache may be behind
	}
	if err != nil {
		s.err = errors.Join(s.err, err)
		return nil
	}
	if set != nil {
		s.requeueAfter(recheckLock)
		if set.Status.Timer != nil && s.room.Status.CountdownTime == nil { // it got one after it had opened
			s.room.Status.CountdownTime = &metav1.Time{Time: s.now.Truncate(time.Second)}
		}
		return nil
	}
	s.room.Status.ActiveBreakoutSet = nil
	return nil
}

// holder is the set that has the room and still has a right to it; nil when there is none.
func (r *MeetingRoomReconciler) holder(
	ctx context.Context,
	reader client.Reader,
	room *v1alpha1.MeetingRoom,
	now time.Time,
) (*v1alpha1.BreakoutSet, error) {
	set, err := r.lockingSet(ctx, reader, room)
	if err != nil || set == nil || !breakout.Holds(set, now) {
		return nil, err
	}
	return set, nil
}

// lockingSet returns the set that has the room, nil if there is none or it is gone.
func (r *MeetingRoomReconciler) lockingSet(
	ctx context.Context, reader client.Reader, room *v1alpha1.MeetingRoom,
) (*v1alpha1.BreakoutSet, error) {
	lock := room.Status.ActiveBreakoutSet
	if lock == nil {
		return nil, nil
	}
	set := &v1alpha1.BreakoutSet{}
	err := reader.Get(ctx, client.ObjectKey{Namespace: room.Namespace, Name: lock.Name}, set,
		client.DisableReadYourWritesConsistency)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	case string(set.UID) != lock.UID:
		return nil, nil // another one of the same name
	}
	return set, nil
}

// inUse reports whether a set has people in breakout rooms, or rooms at all.
func inUse(set *v1alpha1.BreakoutSet) bool {
	return breakout.IsOpen(set) || breakout.IsClosing(set) || ptr.Deref(set.Status.Replicas, 0) > 0
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

const (
	// disconnectPatience is for how long disconnecting people is tried before the room goes all the same.
	disconnectPatience = 30 * time.Second

	// setsPatience is how much longer than its grace a set may hold up the deletion of its main room.
	setsPatience = 30 * time.Second

	// disconnectsAtOnce bounds the calls that disconnect people of one room.
	disconnectsAtOnce = 16

	// participantsNotDisconnectedReason is the event of a room that was deleted while people may still be in its
	// session.
	participantsNotDisconnectedReason = "ParticipantsNotDisconnected"
)

// reconcileDeletion lets a deleted room go when its breakout rooms are closed and its people disconnected, or could not
// be. It returns when to look again; zero when an event will come.
func (r *MeetingRoomReconciler) reconcileDeletion(ctx context.Context, room *v1alpha1.MeetingRoom) (time.Time, error) {
	if !controllerutil.ContainsFinalizer(room, v1alpha1.MeetingRoomFinalizer) &&
		!controllerutil.ContainsFinalizer(room, v1alpha1.FarewellFinalizer) {
		return time.Time{}, nil // what still holds it is not ours
	}
	if at, err := r.awaitDrain(ctx, room); err != nil || !at.IsZero() {
		return at, err
	}
	if at, err := r.awaitSets(ctx, room); err != nil || !at.IsZero() {
		return at, err
	}
	at, warning, err := r.disconnectAll(ctx, room)
	if err != nil || !at.IsZero() {
		return at, err
	}
	base := room.DeepCopy()
	controllerutil.RemoveFinalizer(room, v1alpha1.MeetingRoomFinalizer)
	controllerutil.RemoveFinalizer(room, v1alpha1.FarewellFinalizer)
	if err := r.Patch(ctx, room, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})); err != nil {
		return time.Time{}, client.IgnoreNotFound(err)
	}
	r.writes.Wrote(room)
	r.rooms.forget(client.ObjectKeyFromObject(room))
	if warning != "" {
		r.Recorder.Eventf(room, nil, corev1.EventTypeWarning, participantsNotDisconnectedReason, "Disconnect", "%s",
			warning)
	}
	return time.Time{}, nil
}

// awaitDrain waits until the set of a breakout room has drained it, and taken its finalizer off. A room whose set is
// gone, such as one restored from a backup, has nobody to wait for. It returns the zero time when there is nothing to
// wait for any more.
func (r *MeetingRoomReconciler) awaitDrain(ctx context.Context, room *v1alpha1.MeetingRoom) (time.Time, error) {
	owner := metav1.GetControllerOf(room)
	if !controllerutil.ContainsFinalizer(room, v1alpha1.FarewellFinalizer) || owner == nil {
		return time.Time{}, nil
	}
	set := &v1alpha1.BreakoutSet{}
	err := r.APIReader.Get(ctx, client.ObjectKey{Namespace: room.Namespace, Name: owner.Name}, set)
	switch {
	case apierrors.IsNotFound(err):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, err
	case set.UID != owner.UID:
		return time.Time{}, nil // another one of the same name
	default:
		return time.Now().Add(recheckLock), nil
	}
}

// awaitSets waits until the set that has the room has closed its breakout rooms, which a room's deletion makes it do.
// It returns the zero time when there is nothing to wait for any more.
func (r *MeetingRoomReconciler) awaitSets(ctx context.Context, room *v1alpha1.MeetingRoom) (time.Time, error) {
	set, err := r.lockingSet(ctx, r.Client, room)
	if err != nil || set == nil || !inUse(set) {
		return time.Time{}, err
	}
	limit := room.DeletionTimestamp.Add(breakout.CloseGrace(set) + setsPatience)
	if !time.Now().Before(limit) {
		return time.Time{}, nil
	}
	return limit, nil
}

// disconnectAll disconnects everybody in the room's session. It returns when to try again, and the zero time when that
// is done or given up; then with a warning if people may still be there.
func (r *MeetingRoomReconciler) disconnectAll(
	ctx context.Context, room *v1alpha1.MeetingRoom,
) (at time.Time, warning string, err error) {
	if room.Status.SessionID == "" || room.Spec.SessionID != "" {
		return time.Time{}, "", nil // nobody can be there, or they are not ours
	}
	acc, err := r.Accounts.ResolveForCleanup(ctx, room.Status.AccountName)
	if e, ok := errors.AsType[*account.Error](err); ok {
		return time.Time{}, "people may still be in the session: " + e.Message, nil
	}
	if err != nil {
		return time.Time{}, "", err
	}
	if !strings.EqualFold(acc.ProjectID, room.Status.ProjectID) {
		return time.Time{}, "people may still be in the session: its account now stands for another project", nil
	}
	mem, now := r.rooms.of(room), time.Now()
	if mem.disconnectingSince.IsZero() {
		mem.disconnectingSince = now
	}
	limit := mem.disconnectingSince.Add(disconnectPatience)
	err = r.disconnectEverybody(ctx, acc.Client, room.Status.SessionID, limit.Sub(now))
	if err == nil {
		return time.Time{}, "", nil
	}
	if ctx.Err() != nil {
		return time.Time{}, "", err
	}
	f := failureOf(err, mem.disconnectFailures, room.UID)
	mem.disconnectFailures++
	retryAt := time.Now().Add(max(f.after, retryBase/2))
	if vonage.ClassOf(err) == vonage.ClassTerminal || !retryAt.Before(limit) {
		return time.Time{}, "people may still be in the session: " + err.Error(), nil
	}
	return retryAt, "", nil
}

// disconnectEverybody lists who is connected to a session and disconnects each, several at once. It goes on after a
// failure and returns the first. most bounds it.
func (r *MeetingRoomReconciler) disconnectEverybody(
	ctx context.Context, vendor *vonage.Client, sessionID string, most time.Duration,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(max(most, time.Second), cancel).Stop()
	connections, err := vendor.ListConnections(ctx, sessionID)
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(disconnectsAtOnce)
	for _, c := range connections {
		if c.State != vonage.ConnectionDisconnected {
			group.Go(func() error { return vendor.ForceDisconnect(ctx, sessionID, c.ID) })
		}
	}
	return group.Wait()
}

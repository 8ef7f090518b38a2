// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
)

// MeetingRoomReconciler gives every MeetingRoom its session and its participants their tokens, frees the room for the
// next BreakoutSet, and disconnects people when a room is deleted. It is the only one that creates sessions and mints
// tokens.
type MeetingRoomReconciler struct {
	client.Client

	// APIReader reads past the cache.
	APIReader client.Reader

	// Accounts turns a room's account into a client of the Vonage API.
	Accounts *account.Registry

	// Recorder records events.
	Recorder events.EventRecorder

	// MaxConcurrentReconciles is how many rooms are worked on at once. Workers mostly wait, for the API server or the
	// vendor.
	MaxConcurrentReconciles int

	writes *ownWrites
	rooms  *memory[roomMemory]
}

// roomMemory is what is remembered of a room between reconciles.
type roomMemory struct {
	// failures counts the attempts in a row to get a session that failed.
	failures int
	// held is a session that was created and could not be published yet.
	held *heldSession
	// secretsCheckedAt is when the token Secrets were last looked at, secretFailures how often in a row that failed.
	secretsCheckedAt time.Time
	secretFailures   int
	// disconnectingSince is when disconnecting people was first tried, disconnectFailures how often it failed.
	disconnectingSince time.Time
	disconnectFailures int
}

// +kubebuilder:rbac:groups=breakout-operator.io,resources=meetingrooms,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=breakout-operator.io,resources=meetingrooms/status,verbs=get;update
// +kubebuilder:rbac:groups=breakout-operator.io,resources=vonageaccounts;breakoutsets,verbs=get;list;watch
// +kubebuilder:rbac:groups=core,resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile brings one room to its spec. A new room costs two writes: the finalizer, and one status with session and
// tokens; a room that is as it should be costs none, and no call and no signature either.
func (r *MeetingRoomReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	room := &v1alpha1.MeetingRoom{}
	// Not copied: the scope copies what it changes.
	if err := r.Get(
		ctx, req.NamespacedName, room, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency,
	); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.writes.Stale(room) {
		return ctrl.Result{}, errStaleCache
	}
	if !room.DeletionTimestamp.IsZero() {
		at, err := r.reconcileDeletion(ctx, room.DeepCopy())
		return requeue(at), err
	}
	s := &roomScope{scope: newScope(), stored: room, room: room.DeepCopy()}
	err := r.reconcileRoom(ctx, s)
	return s.requeue(), err
}

// reconcileRoom runs the phases. What stands in the way of a phase is in the scope and becomes a condition; an error is
// one of the API server.
func (r *MeetingRoomReconciler) reconcileRoom(ctx context.Context, s *roomScope) error {
	for _, phase := range []func(context.Context, *roomScope) error{
		r.holdFinalizer,
		r.resolveAccount,
		r.ensureSession,
		r.ensureTokens,
		r.releaseLock,
		r.writeStatus,
		r.removeMovedSecrets,
	} {
		if err := phase(ctx, s); err != nil {
			return err
		}
	}
	return s.err
}

// roomScope is what one reconcile of a room works on.
type roomScope struct {
	scope

	// stored is the room as last read or written; it may belong to the cache and is never changed. room is it with the
	// status as it is to be.
	stored, room *v1alpha1.MeetingRoom

	// live is whether stored was read from, or written to, the API server in this reconcile.
	live bool

	// account is the room's account; nil when it cannot be used, and then failure says why.
	account *account.Account
	failure *verdict

	// session and tokens are what is to be said of them.
	session, tokens verdict

	// unpublished is whether room has a session ID that the API server does not know yet.
	unpublished bool

	// moved is whether tokens were published in status that are in Secrets as well.
	moved bool

	// err is an error of the API server that did not keep the rest from being done.
	err error
}

// rebase goes on with the room as the API server has it, and the status as it has it.
func (s *roomScope) rebase(live *v1alpha1.MeetingRoom) {
	s.stored, s.room, s.live = live, live.DeepCopy(), true
}

// holdFinalizer makes sure that the room is not gone before its people are disconnected. A patch of the metadata alone:
// the spec is the user's, also those parts of it that this version does not know.
func (r *MeetingRoomReconciler) holdFinalizer(ctx context.Context, s *roomScope) error {
	if controllerutil.ContainsFinalizer(s.room, v1alpha1.MeetingRoomFinalizer) {
		return nil
	}
	base := s.room.DeepCopy()
	controllerutil.AddFinalizer(s.room, v1alpha1.MeetingRoomFinalizer)
	if err := r.Patch(
		ctx, s.room, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}),
	); err != nil {
		return err
	}
	r.writes.Wrote(s.room)
	s.rebase(s.room)
	return nil
}

// resolveAccount finds the room's account, or says why it cannot be used.
func (r *MeetingRoomReconciler) resolveAccount(ctx context.Context, s *roomScope) error {
	acc, err := r.Accounts.ResolveFor(ctx, s.room)
	if err == nil {
		s.account = acc
		return nil
	}
	e, ok := errors.AsType[*account.Error](err)
	if !ok {
		return err
	}
	failure := accountVerdict(e) // the watch of accounts wakes the room when that changes
	s.failure = &failure
	return nil
}

func (r *MeetingRoomReconciler) forget(key client.ObjectKey) {
	r.writes.Forget(key)
	r.rooms.forget(key)
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

const (
	// accountIndex finds MeetingRooms by the account that they use or want; defaultAccountKey stands for the default
	// one.
	accountIndex      = "controller.account"
	defaultAccountKey = "*"
)

// SetupWithManager registers the controller and its index with a manager.
func (r *MeetingRoomReconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.init()
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.MeetingRoom{}, accountIndex,
		func(o client.Object) []string {
			return []string{accountKey(o.(*v1alpha1.MeetingRoom))}
		})
	if err != nil {
		return fmt.Errorf("indexing MeetingRooms by account: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("meetingroom").
		For(&v1alpha1.MeetingRoom{}, builder.WithPredicates(predicate.Funcs{UpdateFunc: roomChanged})).
		Watches(&v1alpha1.VonageAccount{}, r.accountHandler()).
		Watches(&v1alpha1.BreakoutSet{}, handler.EnqueueRequestsFromMapFunc(mainRoomOf),
			builder.WithPredicates(predicate.Funcs{
				CreateFunc: func(event.CreateEvent) bool { return false }, // a set that is new has no room yet
				UpdateFunc: func(e event.UpdateEvent) bool { return r.mayFreeRoom(e.ObjectNew) },
			})).
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.roomsOfNamespace),
			builder.WithPredicates(predicate.Funcs{
				CreateFunc: func(event.CreateEvent) bool { return false },
				DeleteFunc: func(event.DeleteEvent) bool { return false },
				UpdateFunc: func(e event.UpdateEvent) bool {
					return !equality.Semantic.DeepEqual(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels())
				},
			})).
		WithOptions(controllerOptions(r.MaxConcurrentReconciles)).
		Complete(newConflictRetrier(r))
}

func (r *MeetingRoomReconciler) init() {
	r.writes = newOwnWrites()
	r.rooms = newMemory[roomMemory]()
}

// roomChanged passes what somebody else changed: the spec, the deletion, finalizers that a deletion waits for, and the
// lock. The operator's own status writes are not among them.
func roomChanged(e event.UpdateEvent) bool {
	before, ok1 := e.ObjectOld.(*v1alpha1.MeetingRoom)
	after, ok2 := e.ObjectNew.(*v1alpha1.MeetingRoom)
	if !ok1 || !ok2 {
		return true
	}
	return before.Generation != after.Generation ||
		before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
		(!after.DeletionTimestamp.IsZero() && !slices.Equal(before.Finalizers, after.Finalizers)) ||
		ptr.Deref(before.Status.ActiveBreakoutSet,
			v1alpha1.ActiveBreakoutSet{}) != ptr.Deref(after.Status.ActiveBreakoutSet, v1alpha1.ActiveBreakoutSet{})
}

// accountKey is a room's key in the index of accounts.
func accountKey(room *v1alpha1.MeetingRoom) string {
	if name := account.NameFor(room); name != "" {
		return name
	}
	return defaultAccountKey
}

// accountHandler has the rooms of an account reconciled when something about the account changes that matters to them.
// With low priority: they may be thousands, and somebody may be waiting for a new one.
func (r *MeetingRoomReconciler) accountHandler() handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	return handler.Funcs{
		// The rooms come by themselves when the process starts.
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !e.IsInInitialList {
				r.enqueueRooms(ctx, q, e.Object.(*v1alpha1.VonageAccount))
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			before, after := e.ObjectOld.(*v1alpha1.VonageAccount), e.ObjectNew.(*v1alpha1.VonageAccount)
			if accountChanged(before, after) {
				r.enqueueRooms(ctx, q, before, after)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			if va, ok := e.Object.(*v1alpha1.VonageAccount); ok {
				r.enqueueRooms(ctx, q, va)
			}
		},
	}
}

// accountChanged reports whether an account changed in a way that matters to rooms.
func accountChanged(before, after *v1alpha1.VonageAccount) bool {
	was := ptr.Deref(meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ReadyCondition), metav1.Condition{})
	is := ptr.Deref(meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ReadyCondition), metav1.Condition{})
	return before.UID != after.UID ||
		before.Generation != after.Generation ||
		before.Status.KeyID != after.Status.KeyID ||
		was.Status != is.Status || was.Reason != is.Reason ||
		account.IsDefault(before) != account.IsDefault(after)
}

// enqueueRooms enqueues the rooms of an account, given as it was and as it is; and those without an account of their
// own, if it was or is the default.
func (r *MeetingRoomReconciler) enqueueRooms(
	ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request], versions ...*v1alpha1.VonageAccount,
) {
	keys := []string{versions[0].Name}
	if slices.ContainsFunc(versions, account.IsDefault) {
		keys = append(keys, defaultAccountKey)
	}
	for _, key := range keys {
		requests := r.roomRequests(ctx, client.MatchingFields{accountIndex: key})
		if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
			pq.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, requests...)
			continue
		}
		for _, request := range requests {
			q.Add(request)
		}
	}
}

// roomsOfNamespace are the rooms of a namespace, for which another label can allow or forbid an account.
func (r *MeetingRoomReconciler) roomsOfNamespace(ctx context.Context, ns client.Object) []reconcile.Request {
	return r.roomRequests(ctx, client.InNamespace(ns.GetName()))
}

// roomRequests lists rooms without copying them.
func (r *MeetingRoomReconciler) roomRequests(ctx context.Context, which client.ListOption) []reconcile.Request {
	var rooms v1alpha1.MeetingRoomList
	if err := r.List(
		ctx, &rooms, which, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency,
	); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing MeetingRooms failed")
		return nil
	}
	requests := make([]reconcile.Request, len(rooms.Items))
	for i := range rooms.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&rooms.Items[i])
	}
	return requests
}

// mainRoomOf is the main room of a BreakoutSet.
func mainRoomOf(_ context.Context, o client.Object) []reconcile.Request {
	set := o.(*v1alpha1.BreakoutSet)
	return []reconcile.Request{{NamespacedName: client.ObjectKey{
		Namespace: set.Namespace, Name: set.Spec.MeetingRoomRef.Name,
	}}}
}

// mayFreeRoom reports whether a set may have let go of its main room.
func (r *MeetingRoomReconciler) mayFreeRoom(o client.Object) bool {
	set, ok := o.(*v1alpha1.BreakoutSet)
	return !ok || !inUse(set) || !breakout.Holds(set, time.Now())
}

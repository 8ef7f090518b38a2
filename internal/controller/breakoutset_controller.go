// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/internal/sampleapp"
)

// BreakoutSetReconciler makes the breakout rooms of a meeting, decides who goes where, and sends that to the browsers.
type BreakoutSetReconciler struct {
	client.Client

	// APIReader reads past the cache.
	APIReader client.Reader

	// Accounts turns an account's name into a client of the Vonage API.
	Accounts *account.Registry

	// Recorder records events.
	Recorder events.EventRecorder

	// MaxConcurrentReconciles is how many sets are worked on at once.
	MaxConcurrentReconciles int

	deliveries  *memory[sampleapp.Delivery]
	failures    *memory[*verdict]  // why signals could not be sent last
	generations sync.Map           // the newest generation of each set that was seen, by UID
	revisions   sync.Map           // the revision of each set's signals that this controller wrote last, by UID
	lastWritten *memory[time.Time] // when the status was written last
	gathering   *memory[time.Time] // since when something is missing of what is to be sent
	released    *memory[bool]      // whether its finalizer was taken off: the cache goes on showing it for a moment
	resources   *resourceLimits
}

// resourceLimits bounds what one reconcile does at once.
type resourceLimits struct{ writes, signals int }

const (
	// ownerIndex finds MeetingRooms by the name of the BreakoutSet that controls them, meetingRoomIndex BreakoutSets by
	// their main room.
	ownerIndex       = "controller.breakoutSet"
	meetingRoomIndex = "spec.meetingRoomRef.name"
)

// +kubebuilder:rbac:groups=breakout-operator.io,resources=breakoutsets,verbs=get;list;watch;update
// +kubebuilder:rbac:groups=breakout-operator.io,resources=breakoutsets/status,verbs=get;update
// +kubebuilder:rbac:groups=breakout-operator.io,resources=breakoutsets/finalizers,verbs=update
// +kubebuilder:rbac:groups=breakout-operator.io,resources=meetingrooms,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=breakout-operator.io,resources=meetingrooms/status,verbs=get;update
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile brings one BreakoutSet one or more steps nearer to its spec: its place in the queue for the main room, its
// rooms, the plan of what people should know, its delivery, and the drain of rooms that are not wanted any more. What
// is left for later is in the status.
func (r *BreakoutSetReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s, err := r.gather(ctx, req.NamespacedName)
	if err != nil || s == nil {
		return ctrl.Result{}, err
	}
	for _, phase := range []func(context.Context, *breakoutScope) error{
		r.holdFinalizer,
		r.takeTurn,
		r.ensureRooms,
		r.planSignals,
		r.deliverSignals,
		r.removeRooms,
		r.writeStatus,
		r.releaseFinalizer,
	} {
		if err := phase(ctx, s); err != nil {
			return ctrl.Result{}, outcome(err)
		}
	}
	return s.requeue(), nil
}

// outcome makes errStaleCache of errors that only mean "somebody was faster": they need no backing off. When to look
// again by the clock was computed from something outdated, and does not matter.
func outcome(err error) error {
	if apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
		return errStaleCache
	}
	return err
}

// holdFinalizer makes sure that the set is not gone before its people are called back.
func (r *BreakoutSetReconciler) holdFinalizer(ctx context.Context, s *breakoutScope) error {
	if !s.set.DeletionTimestamp.IsZero() || !controllerutil.AddFinalizer(s.set, v1alpha1.BreakoutSetFinalizer) {
		return nil
	}
	return r.Update(ctx, s.set)
}

// releaseFinalizer lets a deleted set go when its rooms are gone and its signals are delivered, or could not be.
func (r *BreakoutSetReconciler) releaseFinalizer(ctx context.Context, s *breakoutScope) error {
	if s.set.DeletionTimestamp.IsZero() || len(s.children) > 0 ||
		(len(s.status().Signals.Sessions) > 0 && s.now.Before(s.drainLimit())) {
		return nil
	}
	if !controllerutil.RemoveFinalizer(s.set, v1alpha1.BreakoutSetFinalizer) {
		return nil
	}
	if err := r.Update(ctx, s.set); err != nil {
		return client.IgnoreNotFound(err)
	}
	*r.released.of(s.set) = true
	return nil
}

// SetupWithManager registers the controller and its indexes with a manager.
func (r *BreakoutSetReconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := indexBreakoutSets(mgr); err != nil {
		return err
	}
	r.failures = newMemory[*verdict]()
	r.lastWritten, r.gathering, r.released = newMemory[time.Time](), newMemory[time.Time](), newMemory[bool]()
	r.resources = &resourceLimits{writes: 32, signals: 256}
	return ctrl.NewControllerManagedBy(mgr).
		Named("breakoutset").
		For(&v1alpha1.BreakoutSet{},
			builder.WithPredicates(
				predicate.Or(
					predicate.GenerationChangedPredicate{},
					predicate.AnnotationChangedPredicate{},
					r.recalled(),
				),
				r.supersede(),
			)).
		Owns(&v1alpha1.MeetingRoom{}).
		Watches(&v1alpha1.MeetingRoom{}, handler.EnqueueRequestsFromMapFunc(r.setsOfMeetingRoom)).
		Watches(&v1alpha1.VonageAccount{}, handler.EnqueueRequestsFromMapFunc(r.laggingSets)).
		WithOptions(controllerOptions(r.MaxConcurrentReconciles)).
		Complete(newConflictRetrier(r))
}

func indexBreakoutSets(mgr ctrl.Manager) error {
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.BreakoutSet{}, meetingRoomIndex,
		func(o client.Object) []string {
			return []string{o.(*v1alpha1.BreakoutSet).Spec.MeetingRoomRef.Name}
		})
	if err != nil {
		return err
	}
	return mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.MeetingRoom{}, ownerIndex,
		func(o client.Object) []string {
			if set := o.GetLabels()[v1alpha1.BreakoutSetLabel]; set != "" {
				return []string{set}
			}
			return nil
		})
}

// setsOfMeetingRoom are the sets of which a MeetingRoom is the main room.
func (r *BreakoutSetReconciler) setsOfMeetingRoom(ctx context.Context, room client.Object) []reconcile.Request {
	var sets v1alpha1.BreakoutSetList
	if err := r.List(
		ctx, &sets, client.InNamespace(room.GetNamespace()), client.MatchingFields{meetingRoomIndex: room.GetName()},
		client.DisableReadYourWritesConsistency,
	); err != nil {
		return nil
	}
	requests := make([]reconcile.Request, len(sets.Items))
	for i, set := range sets.Items {
		requests[i] = reconcile.Request{NamespacedName: types.NamespacedName{Namespace: set.Namespace, Name: set.Name}}
	}
	return requests
}

// laggingSets are the sets that have not sent all of their state by an account that has changed: it is tried again at
// once.
func (r *BreakoutSetReconciler) laggingSets(ctx context.Context, va client.Object) []reconcile.Request {
	var sets v1alpha1.BreakoutSetList
	if err := r.List(ctx, &sets, client.DisableReadYourWritesConsistency); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range sets.Items {
		set := &sets.Items[i]
		if set.Status.AccountName == va.GetName() && len(breakout.Lagging(&set.Status)) > 0 {
			r.deliveries.of(set).RetryNow()
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(set)})
		}
	}
	return requests
}

// recalled passes events by which a RoomSignal has put people on the move.
func (r *BreakoutSetReconciler) recalled() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, after := e.ObjectOld.(*v1alpha1.BreakoutSet), e.ObjectNew.(*v1alpha1.BreakoutSet)
			own, _ := r.revisions.Load(after.UID)
			return before.Status.Signals.Revision != after.Status.Signals.Revision &&
				own != after.Status.Signals.Revision
		},
	}
}

// supersede passes every event, and has the delivery that is under way stop between two messages when its set's spec
// has changed: the newer state takes over what is still owed.
func (r *BreakoutSetReconciler) supersede() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			r.generations.Store(e.ObjectNew.GetUID(), e.ObjectNew.GetGeneration())
			return true
		},
		DeleteFunc: func(e event.DeleteEvent) bool {
			r.generations.Delete(e.Object.GetUID())
			r.revisions.Delete(e.Object.GetUID())
			return true
		},
	}
}

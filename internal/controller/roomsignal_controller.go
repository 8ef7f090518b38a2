// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
	"github.com/breakout-operator/breakout-operator/internal/sampleapp"
)

// RoomSignalReconciler sends RoomSignals, each once, and those for the same meeting in the order of their creation.
type RoomSignalReconciler struct {
	client.Client

	// APIReader reads past the cache.
	APIReader client.Reader

	// Accounts turns an account's name into a client of the Vonage API.
	Accounts *account.Registry

	// Recorder records events.
	Recorder events.EventRecorder

	// MaxConcurrentReconciles is how many signals are worked on at once.
	MaxConcurrentReconciles int

	sent       *memory[sent]
	deliveries *memory[sampleapp.Delivery] // of the sets
}

// defaultSignalDeadline is how long the operator tries to send a signal that does not say.
const defaultSignalDeadline = time.Minute

// +kubebuilder:rbac:groups=breakout-operator.io,resources=roomsignals,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=breakout-operator.io,resources=roomsignals/status,verbs=get;update
// +kubebuilder:rbac:groups=breakout-operator.io,resources=breakoutsets;meetingrooms,verbs=get;list;watch
// +kubebuilder:rbac:groups=breakout-operator.io,resources=breakoutsets/status,verbs=get;update
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile sends one RoomSignal when it is its turn, tries again what failed until its deadline, and deletes it when
// its time is over.
func (r *RoomSignalReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	signal := &v1alpha1.RoomSignal{}
	if err := r.Get(ctx, req.NamespacedName, signal); err != nil || !signal.DeletionTimestamp.IsZero() {
		r.sent.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if signal.Status.CompletionTime != nil {
		r.sent.forget(req.NamespacedName)
		return r.expire(ctx, signal)
	}
	s := &signalScope{scope: newScope(), signal: signal, stored: signal.DeepCopy()}
	s.requeueAt(s.deadline())
	s.takeOver(r.sent.peek(signal))
	err := r.send(ctx, s)
	if err == nil {
		err = r.writeStatus(ctx, s)
	}
	if err == nil && signal.Status.CompletionTime != nil {
		return r.expire(ctx, signal)
	}
	if err != nil { // the queue tries again: when to do so by the clock was found out from something outdated
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return s.requeue(), nil
}

// sent is what became of a signal when it was last sent. The status says so too, as soon as the API server takes it;
// until then nothing is sent again.
type sent struct {
	deliveries []v1alpha1.SignalDelivery
	failure    *verdict  // why one of them was not delivered
	retryAt    time.Time // when to try again
}

// signalScope is what one reconcile of a RoomSignal works on.
type signalScope struct {
	scope

	signal, stored *v1alpha1.RoomSignal
}

// deadline is when a signal that was not sent has failed.
func (s *signalScope) deadline() time.Time {
	return s.signal.CreationTimestamp.Add(secondsOf(s.signal.Spec.DeadlineSeconds, defaultSignalDeadline))
}

func (s *signalScope) overdue() bool { return !s.now.Before(s.deadline()) }

// writeStatus writes the status if it changed.
func (r *RoomSignalReconciler) writeStatus(ctx context.Context, s *signalScope) error {
	if equality.Semantic.DeepEqual(s.stored.Status, s.signal.Status) {
		return nil
	}
	before := s.stored
	if err := r.Status().Update(ctx, s.signal); err != nil {
		return err
	}
	s.stored = s.signal.DeepCopy()
	recordReady(r.Recorder, before, s.signal, "Send")
	return nil
}

// expire deletes a finished signal when its ttlSecondsAfterFinished is over.
func (r *RoomSignalReconciler) expire(ctx context.Context, signal *v1alpha1.RoomSignal) (ctrl.Result, error) {
	if signal.Spec.TTLSecondsAfterFinished == nil {
		return ctrl.Result{}, nil
	}
	expiry := signal.Status.CompletionTime.Add(secondsOf(signal.Spec.TTLSecondsAfterFinished, 0))
	if expiry.After(time.Now()) {
		return requeue(expiry), nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(r.Delete(ctx, signal, client.Preconditions{UID: &signal.UID}))
}

// SetupWithManager registers the controller with a manager.
func (r *RoomSignalReconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.sent = newMemory[sent]()
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.RoomSignal{}, unfinishedIndex,
		func(o client.Object) []string {
			if o.(*v1alpha1.RoomSignal).Status.CompletionTime != nil {
				return nil
			}
			return []string{"true"}
		})
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("roomsignal").
		For(&v1alpha1.RoomSignal{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.RoomSignal{}, handler.EnqueueRequestsFromMapFunc(r.waitingSignals),
			builder.WithPredicates(signalEnded())).
		Watches(&v1alpha1.BreakoutSet{}, handler.EnqueueRequestsFromMapFunc(r.waitingSignals)).
		Watches(&v1alpha1.MeetingRoom{}, handler.EnqueueRequestsFromMapFunc(r.waitingSignals),
			builder.WithPredicates(predicate.NewPredicateFuncs(func(o client.Object) bool {
				return o.(*v1alpha1.MeetingRoom).Status.SessionID != ""
			}))).
		WithOptions(controllerOptions(r.MaxConcurrentReconciles)).
		Complete(newConflictRetrier(r))
}

// waitingSignals are the unfinished signals of an object's namespace: a room, a set or an earlier signal may be what
// they wait for.
func (r *RoomSignalReconciler) waitingSignals(ctx context.Context, o client.Object) []reconcile.Request {
	// Not waiting for own writes: it would hold up the events that they wait for.
	unfinished, err := r.unfinished(ctx, o.GetNamespace(), client.DisableReadYourWritesConsistency)
	if err != nil {
		return nil
	}
	requests := make([]reconcile.Request, len(unfinished))
	for i, signal := range unfinished {
		requests[i] = reconcile.Request{NamespacedName: types.NamespacedName{
			Namespace: signal.Namespace, Name: signal.Name,
		}}
	}
	return requests
}

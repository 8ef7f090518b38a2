// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// scope is what one reconcile of any kind works with.
type scope struct {
	// now is the time that this reconcile goes by.
	now time.Time

	// requeueTime is when the next reconcile is needed; zero when only events are waited for.
	requeueTime time.Time
}

func newScope() scope { return scope{now: time.Now()} }

// requeueAt asks for another reconcile at a time, or earlier; the zero time asks for nothing.
func (s *scope) requeueAt(at time.Time) {
	if !at.IsZero() && (s.requeueTime.IsZero() || at.Before(s.requeueTime)) {
		s.requeueTime = at
	}
}

// requeueAfter asks for another reconcile after a time; 0 asks for nothing.
func (s *scope) requeueAfter(d time.Duration) {
	if d > 0 {
		s.requeueAt(s.now.Add(d))
	}
}

// requeue is the result of the reconcile.
func (s *scope) requeue() ctrl.Result { return requeue(s.requeueTime) }

// requeue asks for another reconcile at a time; the zero time asks for nothing. Each reconcile computes it anew from
// the object, so nothing is lost with the process.
func requeue(at time.Time) ctrl.Result {
	if at.IsZero() {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: max(time.Until(at), time.Nanosecond)}
}

// controllerOptions are the options of every controller: how many objects are worked on at once, and how reconciles are
// paced that end with an error, which are those of the API server: each object by itself, at most five minutes.
func controllerOptions(workers int) controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: max(workers, 1),
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
			5*time.Millisecond, 5*time.Minute,
		),
	}
}

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

// requeueAt asks for another reconcile at a time; the zero time asks for nothing. Each reconcile computes it anew from the object, so nothing is
// lost with the process.
func requeueAt(at time.Time) ctrl.Result {
	if at.IsZero() {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: max(time.Until(at), time.Nanosecond)}
}

// controllerOptions are the options of every controller: how many objects are worked on at once, and how reconciles are paced that end with an
// error, which are those of the API server: each object by itself, at most five minutes.
func controllerOptions(workers int) controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: max(workers, 1),
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](5*time.Millisecond, 5*time.Minute),
	}
}

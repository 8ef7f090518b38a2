// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// alarms has objects reconciled at a given time of the injected clock, one alarm per object. A Result's RequeueAfter would be by the
// machine's clock, which tests cannot turn. Nothing is lost with them: whoever sets an alarm computes it anew from the object each time.
type alarms struct {
	clock clock.WithDelayedExecution

	mu     sync.Mutex
	queue  workqueue.TypedRateLimitingInterface[reconcile.Request]
	timers map[types.NamespacedName]clock.Timer
}

func newAlarms(c clock.WithDelayedExecution) *alarms {
	return &alarms{clock: c, timers: map[types.NamespacedName]clock.Timer{}}
}

// source is how the alarms reach a controller's queue.
func (a *alarms) source() source.Source {
	return source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.queue = queue
		return nil
	})
}

// set has the object reconciled at a time, and not at the one set before; with the zero time not at all. Without a controller, whose queue there
// is before it reconciles anything, it does nothing.
func (a *alarms) set(key types.NamespacedName, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if timer := a.timers[key]; timer != nil {
		timer.Stop()
		delete(a.timers, key)
	}
	if at.IsZero() || a.queue == nil {
		return
	}
	queue := a.queue
	ring := func() { queue.Add(reconcile.Request{NamespacedName: key}) } // without a.mu: a fake clock calls it with its own lock held
	if wait := at.Sub(a.clock.Now()); wait > 0 {
		a.timers[key] = a.clock.AfterFunc(wait, ring)
	} else {
		ring()
	}
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"reflect"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// queued is a manager whose controllers get a queue of the operator's. Which of two objects a worker takes first, and
// whether an event comes before or after it took the object, would be a matter of chance with any other, and decide
// what a reconcile reads.
type queued struct {
	manager.Manager
	operator *Operator
}

// Add gives a controller its queue, by the field of controller-runtime's own type that says how to make one.
func (q queued) Add(r manager.Runnable) error {
	if v := reflect.Indirect(reflect.ValueOf(r)); v.Kind() == reflect.Struct {
		if field := v.FieldByName("NewQueue"); field.IsValid() {
			field.Set(reflect.ValueOf(q.operator.newQueue))
		}
	}
	return q.Manager.Add(r)
}

// queue is the queue of a controller. What is in it is given to a worker when the driver says so.
type queue struct {
	operator   *Operator
	controller string
	limiter    workqueue.TypedRateLimiter[reconcile.Request]
	hand       chan reconcile.Request
	down       chan struct{}

	mu         sync.Mutex
	ready      map[reconcile.Request]bool
	waiting    map[reconcile.Request]time.Time
	processing map[reconcile.Request]bool
	idle       int // workers
	isDown     bool
}

var _ priorityqueue.PriorityQueue[reconcile.Request] = (*queue)(nil)

func (o *Operator) newQueue(
	name string,
	limiter workqueue.TypedRateLimiter[reconcile.Request],
) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	q := &queue{
		operator:   o,
		controller: name,
		limiter:    limiter,
		hand:       make(chan reconcile.Request),
		down:       make(chan struct{}),
		ready:      map[reconcile.Request]bool{},
		waiting:    map[reconcile.Request]time.Time{},
		processing: map[reconcile.Request]bool{},
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queues = append(o.queues, q)
	slices.SortFunc(o.queues, func(a, b *queue) int { return cmp.Compare(a.controller, b.controller) })
	return q
}

// choices are the reconciles that could begin.
func (q *queue) choices() []choice {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []choice
	for item := range q.ready {
		if q.idle > 0 && !q.processing[item] {
			all = append(all, choice{q.controller + " " + item.String(), func() { q.begin(item) }})
		}
	}
	slices.SortFunc(all, func(a, b choice) int { return cmp.Compare(a.name, b.name) })
	return all
}

// begin gives an object to a worker.
func (q *queue) begin(item reconcile.Request) {
	q.mu.Lock()
	delete(q.ready, item)
	q.processing[item] = true
	q.mu.Unlock()
	select {
	case q.hand <- item:
	case <-q.down:
	}
}

// AddWithOpts puts objects into the queue, now or later. Priorities are nothing that the driver knows.
func (q *queue) AddWithOpts(o priorityqueue.AddOpts, items ...reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, item := range items {
		after := o.After
		if o.RateLimited {
			if limited := q.limiter.When(item); after == 0 || limited < after {
				after = limited
			}
		}
		q.add(item, after)
	}
	q.operator.world.wake()
}

func (q *queue) add(item reconcile.Request, after time.Duration) {
	at := time.Now().Add(after)
	switch before, waits := q.waiting[item]; {
	case q.ready[item], q.isDown:
	case after <= 0:
		delete(q.waiting, item)
		q.ready[item] = true
	case !waits || at.Before(before):
		q.waiting[item] = at
		time.AfterFunc(after, func() { q.ripen(item, at) })
	}
}

// ripen makes an object ready whose time has come, if it is still that time.
func (q *queue) ripen(item reconcile.Request, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if due, waits := q.waiting[item]; waits && due.Equal(at) {
		q.add(item, 0)
		q.operator.world.wake()
	}
}

// GetWithPriority waits for an object.
func (q *queue) GetWithPriority() (item reconcile.Request, priority int, shutdown bool) {
	count := func(n int) {
		q.mu.Lock()
		q.idle += n
		q.mu.Unlock()
	}
	count(1)
	defer count(-1)
	q.operator.world.wake()
	select {
	case item = <-q.hand:
		return item, 0, false
	case <-q.down:
		return item, 0, true
	}
}

// Get waits for an object.
func (q *queue) Get() (item reconcile.Request, shutdown bool) {
	item, _, shutdown = q.GetWithPriority()
	return item, shutdown
}

// Add puts an object into the queue.
func (q *queue) Add(item reconcile.Request) { q.AddWithOpts(priorityqueue.AddOpts{}, item) }

// AddAfter puts an object into the queue later.
func (q *queue) AddAfter(item reconcile.Request, d time.Duration) {
	q.AddWithOpts(priorityqueue.AddOpts{After: d}, item)
}

// AddRateLimited puts an object into the queue when its limiter says.
func (q *queue) AddRateLimited(item reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, item)
}

// Forget has the limiter forget an object.
func (q *queue) Forget(item reconcile.Request) { q.limiter.Forget(item) }

// NumRequeues is how often the limiter was asked.
func (q *queue) NumRequeues(item reconcile.Request) int { return q.limiter.NumRequeues(item) }

// Done says that a worker is done with an object.
func (q *queue) Done(item reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.processing, item)
	q.operator.world.wake()
}

// Len is how many objects are ready.
func (q *queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ready)
}

// ShutDown ends the queue.
func (q *queue) ShutDown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.isDown {
		q.isDown = true
		close(q.down)
	}
}

// ShutDownWithDrain ends the queue.
func (q *queue) ShutDownWithDrain() { q.ShutDown() }

// ShuttingDown tells whether the queue has ended.
func (q *queue) ShuttingDown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.isDown
}

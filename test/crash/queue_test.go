// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"cmp"
	"reflect"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// spy is a manager that gives its controllers queues that can be looked into.
type spy struct {
	ctrl.Manager
	operator *operator
}

// Add sets the queue of a controller before it starts. It has no option for that at the manager, but a field.
func (s spy) Add(r manager.Runnable) error {
	if field := reflect.Indirect(reflect.ValueOf(r)).FieldByName("NewQueue"); field.IsValid() {
		field.Set(reflect.ValueOf(func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
			q := newQueue(name, limiter, s.operator)
			s.operator.note(func() { s.operator.queues = append(s.operator.queues, q) })
			return q
		}))
	}
	return s.Manager.Add(r)
}

// queue is a controller's queue, of whose every request it is known at every moment where it is. Otherwise it is as others are: a request is in it
// once, nobody gets it while somebody works on it, and what is added meanwhile comes afterwards.
type queue struct {
	workqueue.TypedRateLimiter[reconcile.Request]
	operator *operator
	name     string

	mu       sync.Mutex
	changed  *sync.Cond
	begun    bool // somebody has asked for a request
	shutdown bool
	stages   map[reconcile.Request]stage
	again    map[reconcile.Request]bool      // those worked on that were added meanwhile
	delayed  map[reconcile.Request]time.Time // those to be added, with when
}

// stage is where a request is.
type stage int

const (
	queued  stage = iota + 1 // in the queue
	taken                    // taken out, and on its way to the gate
	waiting                  // at the gate, until it may start
	running                  // worked on
)

func newQueue(name string, limiter workqueue.TypedRateLimiter[reconcile.Request], o *operator) *queue {
	q := &queue{
		TypedRateLimiter: limiter, operator: o, name: name,
		stages: map[reconcile.Request]stage{}, again: map[reconcile.Request]bool{}, delayed: map[reconcile.Request]time.Time{},
	}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// change changes what is where. The operator, when it is looked at, looks at its queues: it is told when that lock is free.
func (q *queue) change(change func()) {
	q.mu.Lock()
	change()
	q.mu.Unlock()
	q.operator.note(func() {})
}

// arrive notes where a request is now.
func (q *queue) arrive(r reconcile.Request, s stage) { q.change(func() { q.stages[r] = s }) }

// Add adds a request.
func (q *queue) Add(r reconcile.Request) {
	q.operator.world.gate.supersede(start{q, r})
	q.put(r)
}

func (q *queue) put(r reconcile.Request) {
	q.change(func() {
		delete(q.delayed, r)
		switch q.stages[r] {
		case 0:
			q.stages[r] = queued
			q.changed.Signal()
		case running:
			q.again[r] = true
		}
	})
}

// AddAfter adds a request in a moment, unless it comes again anyway.
func (q *queue) AddAfter(r reconcile.Request, d time.Duration) {
	if q.comesAgain(r) {
		return
	}
	if q.operator.world.gate.postpone(start{q, r}, func() { q.put(r) }) {
		return
	}
	at := time.Now().Add(d)
	q.change(func() {
		if due, ok := q.delayed[r]; !ok || at.Before(due) {
			q.delayed[r] = at
			time.AfterFunc(d, func() { q.putDelayed(r, at) })
		}
	})
}

func (q *queue) comesAgain(r reconcile.Request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.again[r]
}

// AddRateLimited adds a request in a moment.
func (q *queue) AddRateLimited(r reconcile.Request) { q.AddAfter(r, q.When(r)) }

// putDelayed adds a request that was to be added at a time, unless it was added since.
func (q *queue) putDelayed(r reconcile.Request, at time.Time) {
	q.mu.Lock()
	due := q.delayed[r].Equal(at)
	q.mu.Unlock()
	if due {
		q.put(r)
	}
}

// Get takes a request out, the first by name, and returns it when it may be worked on.
func (q *queue) Get() (reconcile.Request, bool) {
	r, ok := q.take()
	q.operator.note(func() {})
	return r, !ok || !q.operator.world.gate.awaitStart(start{q, r})
}

func (q *queue) take() (reconcile.Request, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.begun = true
	for !q.shutdown {
		var first *reconcile.Request
		for r, s := range q.stages {
			if s == queued && (first == nil || cmp.Less(r.String(), first.String())) {
				first = &r
			}
		}
		if first != nil {
			q.stages[*first] = taken
			return *first, true
		}
		q.changed.Wait()
	}
	return reconcile.Request{}, false
}

// Done says that a request was worked on.
func (q *queue) Done(r reconcile.Request) {
	q.change(func() {
		delete(q.stages, r)
		if q.again[r] {
			delete(q.again, r)
			q.stages[r] = queued
			q.changed.Signal()
		}
	})
}

// Len is how many requests nobody has taken yet.
func (q *queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count(queued)
}

func (q *queue) count(s stage) int {
	n := 0
	for _, at := range q.stages {
		if at == s {
			n++
		}
	}
	return n
}

// ShutDown has nobody get anything any more.
func (q *queue) ShutDown() {
	q.change(func() {
		q.shutdown = true
		q.changed.Broadcast()
	})
}

// ShutDownWithDrain is ShutDown, since an operator that dies does not finish its work.
func (q *queue) ShutDownWithDrain() { q.ShutDown() }

// ShuttingDown tells whether it was shut down.
func (q *queue) ShuttingDown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shutdown
}

// load is how many requests are on their way to a worker, and how many are worked on; begun whether anybody asks for them.
func (q *queue) load() (pending, working int, begun bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count(queued) + q.count(taken) + len(q.delayed), q.count(running), q.begun
}

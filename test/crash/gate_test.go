// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// way is how a case comes between.
type way string

const (
	before    way = "before"
	after     way = "after"
	lateRooms way = "late-rooms"
	lateSets  way = "late-sets"
	stale     way = "stale"
)

// pauses tells whether the operator stops and goes on, and what its cache sees last when it does.
func (w way) pauses() (string, bool) {
	resource := map[way]string{lateRooms: "meetingrooms", lateSets: "breakoutsets"}[w]
	return resource, resource != ""
}

// operation is a write to the API server or a call of the vendor.
type operation struct {
	// key names it by its kind and its object.
	key string
	// resource is what a write is to; empty for a call.
	resource string
	// event identifies the event that a write is of; empty for any other operation.
	event string
	// nth is how many of this key there were in the story when it was sent, from 1.
	nth int
}

// String is the operation's name in a case.
func (op operation) String() string { return fmt.Sprintf("%s.%d", op.key, op.nth) }

// cached tells whether the operator has a cache that is to see this write.
func (op operation) cached() bool { return resources[op.resource] != nil }

// intervention is what a case does at which operation.
type intervention struct {
	way way
	at  operation
}

// gate is where every operation of every operator of a case passes, and where its reconciles start. At first it lets them go one by one, when
// nothing else goes on and in an order that does not depend on which came first, so that what a reconcile finds in the cache is the same in
// every run; from the intervention on, they go as they come.
type gate struct {
	world *world

	mu           sync.Mutex
	counting     bool // the story has begun
	oneByOne     bool
	intervention *intervention
	counts       map[string]int
	passed       []operation
	waiting      []*pass
	hanging      []*pass                 // passed, and will not be answered
	starting     map[start]chan struct{} // taken out of their queue, with what is closed when they may start
	postponed    map[start]func()        // to be added to their queue in a moment, by these

	// struck is the operator that the intervention met.
	struck *operator
	// faulty is there once a call is to fail, and closed when it is failing: the fault is for that call and not for another of its kind.
	faulty chan struct{}
}

// start is a reconcile that is to start.
type start struct {
	queue   *queue
	request reconcile.Request
}

// String is the same in every run.
func (s start) String() string {
	return fmt.Sprintf("%d %s %s", s.queue.operator.number, s.queue.name, s.request.Name)
}

// pass is one operation at the gate.
type pass struct {
	op       operation
	operator *operator
	ctx      context.Context
	open     chan struct{}
	// reconcile identifies the reconcile that it is of; empty for an event.
	reconcile types.UID
	strikes   way // what happens to the operator, or the operation, when it is carried out
	released  bool
	hanging   bool
}

// begin begins a story: operations count from now on, and something may come between. Without an intervention they go one by one if oneByOne
// says so.
func (g *gate) begin(i *intervention, oneByOne bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counting, g.oneByOne, g.intervention = true, oneByOne, i
	g.counts, g.passed = map[string]int{}, nil
	g.starting, g.postponed = map[start]chan struct{}{}, map[start]func(){}
}

// enter waits until an operation may be sent, and returns an error when it never will.
func (g *gate) enter(ctx context.Context, o *operator, op operation) (*pass, error) {
	p := &pass{op: op, operator: o, ctx: ctx, open: make(chan struct{}), reconcile: controller.ReconcileIDFromContext(ctx)}
	if err := o.awaitResume(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	if g.oneByOne {
		g.waiting = append(g.waiting, p)
	} else {
		g.release(p)
	}
	g.mu.Unlock()
	o.atGate(op)
	select {
	case <-p.open:
	case <-ctx.Done():
		if g.withdraw(p) {
			return nil, ctx.Err()
		}
		// A process that stands still sends, however late, what it was about to send.
	case <-o.life.Done():
		g.withdraw(p)
	}
	err := o.awaitResume()
	if err == nil {
		err = g.awaitFault(p)
	}
	if err != nil {
		g.abandon(p)
		return nil, err
	}
	return p, nil
}

// abandon ends an operation that will not be sent.
func (g *gate) abandon(p *pass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.released {
		p.operator.end()
	}
}

// awaitFault waits until the call that is to fail has met its fault; that call itself does not wait.
func (g *gate) awaitFault(p *pass) error {
	g.mu.Lock()
	faulty := g.faulty
	g.mu.Unlock()
	if faulty == nil || p.strikes != "" {
		return nil
	}
	select {
	case <-faulty:
		return nil
	case <-p.operator.life.Done():
		return errCut
	}
}

// withdraw takes an operation back that has not passed, and tells whether it had not.
func (g *gate) withdraw(p *pass) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, p)
	if i < 0 {
		return false
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	return true
}

// release lets an operation pass, or does to its operator what the case is about. The lock must be held.
func (g *gate) release(p *pass) {
	if g.counting {
		g.counts[p.op.key]++
		p.op.nth = g.counts[p.op.key]
		g.passed = append(g.passed, p.op)
	}
	if i := g.intervention; i != nil && g.struck == nil && i.at.key == p.op.key && i.at.nth == p.op.nth {
		g.world.tracef("%s %s", i.way, p.op)
		g.struck, g.oneByOne = p.operator, false
		if _, pauses := i.way.pauses(); pauses {
			p.operator.pause()
		} else if i.way == before {
			p.operator.kill()
		} else {
			p.strikes = i.way
			if _, fails := i.way.faultOf(); fails {
				g.faulty = make(chan struct{})
			}
		}
		waiting := g.waiting
		g.waiting = nil
		g.startAll()
		if !p.operator.dead() {
			for _, other := range waiting {
				g.release(other)
			}
		}
	}
	g.world.tracef("operator %d: %s", p.operator.number, p.op)
	p.released = true
	p.operator.begin() // from now on, not when its goroutine comes to it
	close(p.open)
}

// open lets all operations pass from now on as they come.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.oneByOne = false
	for _, p := range g.waiting {
		g.release(p)
	}
	g.waiting = nil
	g.startAll()
}

// awaitStart waits until a reconcile may start, and returns false if its operator dies before.
func (g *gate) awaitStart(s start) bool {
	g.mu.Lock()
	if !g.oneByOne {
		s.queue.arrive(s.request, running)
		g.mu.Unlock()
		return true
	}
	open := make(chan struct{})
	g.starting[s] = open
	s.queue.arrive(s.request, waiting)
	g.mu.Unlock()
	select {
	case <-open:
		return true
	case <-s.queue.operator.life.Done():
		return false
	}
}

// start lets a reconcile start that waits. The lock must be held.
func (g *gate) start(s start) {
	s.queue.arrive(s.request, running)
	close(g.starting[s])
	delete(g.starting, s)
}

// postpone keeps what a queue is asked to add in a moment, by the machine's clock, until nothing else is left to do. It returns false when all go
// as they come: then the moment is what it says.
func (g *gate) postpone(s start, add func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.oneByOne {
		g.postponed[s] = add
	}
	return g.oneByOne
}

// supersede forgets what was postponed, since it is added now.
func (g *gate) supersede(s start) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.postponed, s)
}

// startAll lets all reconciles start. The lock must be held.
func (g *gate) startAll() {
	for s := range g.starting {
		g.start(s)
	}
	g.addPostponed()
}

// addPostponed has the queues add what was postponed, and tells whether there was anything. The lock must be held.
func (g *gate) addPostponed() bool {
	some := len(g.postponed) > 0
	for s, add := range g.postponed {
		delete(g.postponed, s)
		add()
	}
	return some
}

// next lets the first of the reconciles start, or of the waiting operations pass if there is none, or adds what was postponed if there is neither.
// It tells whether there was anything.
func (g *gate) next() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case len(g.starting) > 0:
		starting := slices.Collect(maps.Keys(g.starting))
		g.start(slices.MinFunc(starting, func(a, b start) int { return cmp.Compare(a.String(), b.String()) }))
	case len(g.waiting) > 0:
		first := slices.MinFunc(g.waiting, func(a, b *pass) int { return cmp.Compare(a.op.key, b.op.key) })
		g.waiting = slices.DeleteFunc(g.waiting, func(p *pass) bool { return p == first })
		g.release(first)
	default:
		return g.addPostponed()
	}
	return true
}

// held are an operator's operations that wait for being let pass, or for an answer that will not come.
func (g *gate) held(o *operator) []*pass {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(slices.Concat(g.waiting, g.hanging), func(p *pass) bool { return p.operator != o })
}

// leave ends an operation that was carried out.
func (g *gate) leave(p *pass) {
	switch p.strikes {
	case after:
		p.operator.kill()
	case stale:
		p.operator.blindfold(p.op.resource)
	}
	if g.unhang(p) {
		p.operator.touch()
		return
	}
	p.operator.end()
}

// victim is the operator that the intervention met; nil before it.
func (g *gate) victim() *operator {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.struck
}

// story are the operations so far, without the periodic check of the account.
func (g *gate) story() []operation {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(g.passed), func(op operation) bool { return strings.HasPrefix(op.key, probeKey) })
}

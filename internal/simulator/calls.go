// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// callLog holds the calls in order of arrival.
type callLog struct {
	mu      sync.Mutex
	list    []*Call // list[i].Seq ascends
	lastSeq int
	effects int
	open    int           // calls under way
	changed chan struct{} // closed at the next change, when somebody waits
}

func (l *callLog) begin(c *Call, max int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastSeq++
	c.Seq = l.lastSeq
	l.open++
	l.list = append(l.list, c)
	if max > 0 && len(l.list) > max+max/4 { // trim in steps: a copy per call would be quadratic
		l.list = slices.Clone(l.list[len(l.list)-max:])
	}
	l.wake()
}

// update changes a logged call; whoever reads the log gets copies under the same lock.
func (l *callLog) update(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	l.wake()
}

func (l *callLog) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// waiting returns a channel that is closed at the next change. The lock must be held.
func (l *callLog) waiting() <-chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// Calls returns a copy of the call log, in order of arrival, including calls under way (Finished is zero).
func (s *Simulator) Calls() []Call { return s.CallsSince(0) }

// CallsSince returns the calls that arrived after the one numbered seq.
func (s *Simulator) CallsSince(seq int) []Call {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	from, _ := slices.BinarySearchFunc(s.calls.list, seq+1, func(c *Call, seq int) int { return c.Seq - seq })
	out := make([]Call, 0, len(s.calls.list)-from)
	for _, c := range s.calls.list[from:] {
		out = append(out, *c)
	}
	return out
}

// LastSeq returns the number of the latest call: what CallsSince takes to see only what comes later.
func (s *Simulator) LastSeq() int {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return s.calls.lastSeq
}

// ResetCalls empties the call log. The numbering goes on.
func (s *Simulator) ResetCalls() {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	s.calls.list = nil
}

// WaitCall returns the first call in the log that has finished and matches, waiting for one if there is none yet. It
// returns an error when ctx is done before.
func (s *Simulator) WaitCall(ctx context.Context, match func(Call) bool) (Call, error) {
	for {
		s.calls.mu.Lock()
		for _, c := range s.calls.list {
			if !c.Finished.IsZero() && match(*c) {
				found := *c
				s.calls.mu.Unlock()
				return found, nil
			}
		}
		changed := s.calls.waiting()
		s.calls.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return Call{}, fmt.Errorf("waiting for a call: %w", context.Cause(ctx))
		}
	}
}

// WaitIdle waits until no call of the vendor's API is under way.
func (s *Simulator) WaitIdle(ctx context.Context) error {
	for {
		s.calls.mu.Lock()
		open, changed := s.calls.open, s.calls.waiting()
		s.calls.mu.Unlock()
		if open == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d calls to end: %w", open, context.Cause(ctx))
		}
	}
}

// hub hands events to subscribers, in one order for all.
type hub struct {
	mu   sync.Mutex
	seq  int
	subs map[*subscriber]struct{}
}

// subscriber queues without bound: a test that is slow to read must neither lose events nor hold up the simulator.
type subscriber struct {
	mu     sync.Mutex
	queue  []Event
	notify chan struct{}
}

func (h *hub) subscribe() *subscriber {
	sub := &subscriber{notify: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs == nil {
		h.subs = map[*subscriber]struct{}{}
	}
	h.subs[sub] = struct{}{}
	return sub
}

func (h *hub) unsubscribe(sub *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs, sub)
}

// publish calls fill only when somebody listens.
func (h *hub) publish(fill func() Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	if len(h.subs) == 0 {
		return
	}
	e := fill()
	e.Seq = h.seq
	for sub := range h.subs {
		sub.mu.Lock()
		sub.queue = append(sub.queue, e)
		sub.mu.Unlock()
		select {
		case sub.notify <- struct{}{}:
		default:
		}
	}
}

// take returns and empties the queue.
func (s *subscriber) take() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue
	s.queue = nil
	return q
}

// Subscribe returns a channel of what happens from now on, and a function that ends it. Nothing is dropped, however
// slow the reader; the channel is closed after cancel or Close.
func (s *Simulator) Subscribe() (events <-chan Event, cancel func()) {
	sub := s.hub.subscribe()
	out, stop := make(chan Event), make(chan struct{})
	started := s.spawn(func() {
		defer close(out)
		defer s.hub.unsubscribe(sub)
		for {
			for _, e := range sub.take() {
				select {
				case out <- e:
				case <-stop:
					return
				case <-s.done:
					return
				}
			}
			select {
			case <-sub.notify:
			case <-stop:
				return
			case <-s.done:
				return
			}
		}
	})
	if !started {
		s.hub.unsubscribe(sub)
		close(out)
	}
	return out, sync.OnceFunc(func() { close(stop) })
}

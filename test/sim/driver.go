// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"
)

const (
	// mostSteps ends a run that does not end.
	mostSteps = 3_000_000

	// mostAtOnce ends one in which everybody goes on for ever without any time going by.
	mostAtOnce = 20_000

	// afterthought is for how long nothing more may follow when a step of a story has come to its end.
	afterthought = 2 * time.Second
)

// At has something done at a time from now. What is done may schedule more.
func (w *World) At(d time.Duration, what string, do func()) {
	w.scheduled = append(w.scheduled, scheduled{time.Now().Add(d), what, do})
	slices.SortStableFunc(w.scheduled, func(a, b scheduled) int { return a.at.Compare(b.at) })
}

// Pass lets time go on.
func (w *World) Pass(d time.Duration) { w.run(time.Now().Add(d), func() bool { return false }) }

// storyEnds is what ends a story that cannot go on; see Run.
type storyEnds struct{}

// Until lets time go on, for at most a while, until a goal is reached and nothing follows for a moment. When that does
// not happen a rule is broken, and the story ends.
func (w *World) Until(most time.Duration, goal func() error) {
	w.t.Helper()
	end := time.Now().Add(most)
	for {
		var err error
		if !w.run(end, func() bool { err = goal(); return err == nil }) {
			w.violated("after %s, which is %s into the story: %v", most, w.Elapsed(), err)
			panic(storyEnds{})
		}
		w.Pass(afterthought)
		if goal() == nil {
			return
		}
	}
}

// Within lets time go on, for at most a while, until a goal is reached when nothing goes on any more at that time; it
// tells whether it was.
func (w *World) Within(most time.Duration, goal func() bool) bool {
	return w.run(time.Now().Add(most), goal)
}

// run lets time go on until an end, or until the goal is reached when nothing goes on; it tells whether it was.
func (w *World) run(end time.Time, goal func() bool) bool {
	for {
		for w.turn() {
			if w.steps++; w.steps > mostSteps {
				w.t.Fatal("there is no end")
			}
			if now := time.Now(); !now.Equal(w.turned) {
				w.turned, w.atOnce = now, 0
			}
			if w.atOnce++; w.atOnce > mostAtOnce {
				w.violated("there is no end of it: %v", w.Operations[max(0, len(w.Operations)-6):])
				panic(storyEnds{})
			}
		}
		if w.onQuiet != nil {
			w.onQuiet()
		}
		if goal() {
			return true
		}
		now := time.Now()
		if !now.Before(end) {
			return false
		}
		if len(w.scheduled) > 0 && !w.scheduled[0].at.After(now) {
			next := w.scheduled[0]
			w.scheduled = w.scheduled[1:]
			if next.what != "" {
				w.tracef("%s", next.what)
			}
			next.do()
			continue
		}
		timer := time.NewTimer(w.next(end).Sub(now))
		select {
		case <-w.woken:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// choice is something that can happen now.
type choice struct {
	name string
	do   func()
}

// turn lets one thing happen, and tells whether there was one. It waits first until everybody waits.
func (w *World) turn() bool {
	synctest.Wait()
	if w.restart() || w.react() {
		return true
	}
	choices := w.choices(time.Now())
	if len(choices) == 0 {
		return w.API.CollectGarbage()
	}
	c := choices[0]
	if w.options.Shuffled {
		c = choices[w.rng.IntN(len(choices))]
	}
	c.do()
	return true
}

// restart starts another operator when the last one has died and its time has come.
func (w *World) restart() bool {
	if w.options.StaysDown || len(w.Operators) == 0 ||
		slices.ContainsFunc(w.Operators, func(o *Operator) bool { return !o.Dead() && !o.paused }) {
		return false
	}
	if w.restartAt.IsZero() {
		w.restartAt = time.Now()
		if w.options.Down != nil {
			w.restartAt = w.restartAt.Add(w.options.Down())
		}
	}
	if time.Now().Before(w.restartAt) {
		return false
	}
	w.restartAt = time.Time{}
	w.StartOperator()
	return true
}

// choices are what could come next: events, reconciles, and operations.
func (w *World) choices(now time.Time) []choice {
	var all []choice
	for _, watch := range w.API.Watches() {
		o, _ := watch.Owner.(*Operator)
		if o == nil || o.Dead() || o.paused || o.blind[watch.Resource] || watch.Waiting() == 0 ||
			w.heldEvents[watch].After(now) {
			continue
		}
		all = append(all, choice{fmt.Sprintf("%d %s %t", o.Number, watch.Resource, watch.MetadataOnly), func() {
			if w.delays(20) {
				w.heldEvents[watch] = w.later()
				return
			}
			w.tracef("  deliver %s to %d", watch.Resource, o.Number)
			watch.Deliver()
		}})
	}
	slices.SortStableFunc(all, func(a, b choice) int { return strings.Compare(a.name, b.name) })
	for _, o := range w.Operators {
		if !o.Dead() && !o.paused {
			all = append(all, o.reconciles()...)
		}
	}
	for _, op := range w.atGate() {
		if op.Operator.Dead() || op.Operator.paused || op.notBefore.After(now) {
			continue
		}
		all = append(all, choice{op.Key, func() {
			if !op.delayed && w.delays(10) {
				op.delayed, op.notBefore = true, w.later()
				return
			}
			w.pass(op)
		}})
	}
	return all
}

// delays decides whether something is held up, as happens to one in so many.
func (w *World) delays(oneIn int) bool { return w.options.Lag > 0 && w.rng.IntN(oneIn) == 0 }

// later is until when something is held up.
func (w *World) later() time.Time {
	return time.Now().Add(time.Duration(1 + w.rng.Int64N(int64(w.options.Lag))))
}

// next is when something is due that is not the operator's, at the latest at the end.
func (w *World) next(end time.Time) time.Time {
	first, now := end, time.Now()
	earliest := func(at time.Time) {
		if at.After(now) && at.Before(first) {
			first = at
		}
	}
	for _, p := range w.People {
		earliest(p.next())
	}
	if len(w.scheduled) > 0 {
		earliest(w.scheduled[0].at)
	}
	for _, held := range w.heldEvents {
		earliest(held)
	}
	for _, op := range w.atGate() {
		earliest(op.notBefore)
	}
	earliest(w.restartAt)
	return first
}

// Settle lets all that can happen now happen, without letting time go on.
func (w *World) Settle() { w.Pass(0) }

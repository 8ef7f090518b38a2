// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"sync"
	"time"
)

const (
	// OutageThreshold is after how many requests in a row without a usable answer
	// the client takes Vonage to be out.
	OutageThreshold = 8

	// firstTrial and lastTrial bound the time until it is found out whether Vonage
	// is back: doubling, from the outage's beginning or the last trial.
	firstTrial = time.Second
	lastTrial  = 30 * time.Second
)

// Outage is a time in which Vonage does not answer, as a client sees it. The zero
// value: there is none.
type Outage struct {
	// Since is when it was noticed; zero when there is none.
	Since time.Time
	// NextTrial is when it is to be found out whether Vonage is back, by a probe or
	// the first call that comes then.
	NextTrial time.Time
}

// Lasts reports whether there is an outage.
func (o Outage) Lasts() bool { return !o.Since.IsZero() }

// circuit is a circuit breaker: while Vonage is out, calls are not sent, so that
// not every caller has to find out by itself, and wait for it. One trial at a
// time finds out when it is back. It is safe for concurrent use.
type circuit struct {
	// changed, if given, is called when an outage begins and when it ends.
	changed func(Outage)

	mu    sync.Mutex
	state circuitState
}

// circuitState is the circuit breaker's state. Its methods are pure but for it.
type circuitState struct {
	outage   Outage
	failures int  // in a row
	trials   int  // without success
	trying   bool // a trial is under way
}

// admission is what the circuit says to a call.
type admission int

const (
	admitted admission = iota // send it
	onTrial                   // probe first; the outcome must be reported by endTrial
	heldBack                  // do not send it
)

// admit says whether a call may be sent now.
func (s *circuitState) admit(now time.Time) admission {
	switch {
	case !s.outage.Lasts():
		return admitted
	case s.trying || now.Before(s.outage.NextTrial):
		return heldBack
	default:
		s.trying = true
		return onTrial
	}
}

// endTrial ends a trial, however it went: that is reported by the probe's answer.
func (s *circuitState) endTrial() { s.trying = false }

// answered records that Vonage answered, whatever it said.
func (s *circuitState) answered() { s.outage, s.failures, s.trials = Outage{}, 0, 0 }

// failed records a request without a usable answer. During an outage only trials,
// which come when they are due, put off the next: what was sent before the outage
// was noticed says nothing new.
func (s *circuitState) failed(now time.Time) {
	s.failures++
	switch {
	case s.outage.Lasts() && !now.Before(s.outage.NextTrial):
		s.trials++
		s.outage.NextTrial = now.Add(trialDelay(s.trials))
	case !s.outage.Lasts() && s.failures >= OutageThreshold:
		s.outage = Outage{Since: now, NextTrial: now.Add(trialDelay(0))}
	}
}

// trialDelay is how long after the trials-th trial without success, from 0, the
// next is due.
func trialDelay(trials int) time.Duration {
	if trials > 10 { // beyond it would only overflow
		return lastTrial
	}
	return min(firstTrial<<trials, lastTrial)
}

// admit says whether a call may be sent now.
func (c *circuit) admit(now time.Time) (admission, Outage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.admit(now), c.state.outage
}

// endTrial ends a trial.
func (c *circuit) endTrial() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.endTrial()
}

// record records how a request went.
func (c *circuit) record(now time.Time, failed *Error) {
	c.mu.Lock()
	before := c.state.outage.Lasts()
	switch {
	case failed == nil || !failed.unanswered():
		if failed == nil || failed.Class != ClassCanceled {
			c.state.answered()
		}
	default:
		c.state.failed(now)
	}
	after := c.state.outage
	c.mu.Unlock()
	if before != after.Lasts() && c.changed != nil {
		c.changed(after)
	}
}

// outage returns the outage that lasts, or the zero value.
func (c *circuit) outage() Outage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.outage
}

// unanswered reports whether a request got no usable answer from Vonage: nothing, a
// server error, or something that is not Vonage's.
func (e *Error) unanswered() bool {
	if e.Class != ClassTransient && e.Class != ClassAmbiguous {
		return false
	}
	return e.Status == 0 || e.Status == 408 || e.Status >= 500 || e.Status/100 == 2
}

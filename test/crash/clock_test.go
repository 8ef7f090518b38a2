// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
	testclock "k8s.io/utils/clock/testing"
)

// alarmClock is the clock of a case as one operator has it: it knows when that operator wants to be woken.
type alarmClock struct {
	*testclock.FakeClock

	calling atomic.Int32 // functions whose time has come

	mu     sync.Mutex
	alarms map[*alarm]time.Time
}

type alarm struct {
	clock.Timer
	clock *alarmClock
	// rings gets a value when it goes off; nil for a function.
	rings <-chan time.Time
}

func newAlarmClock(c *testclock.FakeClock) *alarmClock {
	return &alarmClock{FakeClock: c, alarms: map[*alarm]time.Time{}}
}

// AfterFunc calls f in its own goroutine when the clock has been turned on by d.
func (c *alarmClock) AfterFunc(d time.Duration, f func()) clock.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &alarm{clock: c}
	a.Timer = c.FakeClock.AfterFunc(d, func() { // the fake clock calls this with its lock held
		c.calling.Add(1)
		go func() {
			defer c.calling.Add(-1)
			f()
		}()
	})
	c.alarms[a] = c.Now().Add(d) // or later, if the clock went on meanwhile: never before it goes off
	return a
}

// Stop keeps the alarm from going off.
func (a *alarm) Stop() bool {
	a.clock.mu.Lock()
	delete(a.clock.alarms, a)
	a.clock.mu.Unlock()
	return a.Timer.Stop()
}

// NewTimer returns a timer that goes off when the clock has been turned on by d.
func (c *alarmClock) NewTimer(d time.Duration) clock.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := c.FakeClock.NewTimer(d)
	a := &alarm{Timer: timer, clock: c, rings: timer.C()}
	c.alarms[a] = c.Now().Add(d)
	return a
}

// ringing tells whether an alarm has gone off and nobody has heard it yet, or what it calls has not ended.
func (c *alarmClock) ringing() bool {
	if c.calling.Load() > 0 {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for a := range c.alarms {
		if len(a.rings) > 0 {
			return true
		}
	}
	return false
}

// next is when the next alarm goes off; zero when none will.
func (c *alarmClock) next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, first := c.Now(), time.Time{}
	for a, at := range c.alarms {
		switch {
		case at.After(now):
			first = earlier(first, at)
		case len(a.rings) == 0:
			delete(c.alarms, a)
		}
	}
	return first
}

// earlier is the earlier of two times, of which the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

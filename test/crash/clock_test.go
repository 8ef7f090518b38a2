// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
	testclock "k8s.io/utils/clock/testing"
)

// alarmClock is the clock of a case as one operator has it: it knows when that operator wants to be woken.
type alarmClock struct {
	*testclock.FakeClock

	mu     sync.Mutex
	alarms map[*alarm]time.Time
}

type alarm struct {
	clock.Timer
	clock *alarmClock
}

func newAlarmClock(c *testclock.FakeClock) *alarmClock {
	return &alarmClock{FakeClock: c, alarms: map[*alarm]time.Time{}}
}

// AfterFunc calls f in its own goroutine when the clock has been turned on by d.
func (c *alarmClock) AfterFunc(d time.Duration, f func()) clock.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &alarm{clock: c}
	c.alarms[a] = c.Now().Add(d)
	a.Timer = c.FakeClock.AfterFunc(d, func() { go f() }) // the fake clock calls it with its lock held
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
	a := &alarm{Timer: c.FakeClock.NewTimer(d), clock: c}
	c.alarms[a] = c.Now().Add(d)
	return a
}

// next is when the next alarm goes off; zero when none will.
func (c *alarmClock) next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, first := c.Now(), time.Time{}
	for a, at := range c.alarms {
		if !at.After(now) {
			delete(c.alarms, a)
		} else if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// nine is when the tables' stories happen.
var nine = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// at is a time so many seconds after nine; nil stands for never.
func at(seconds int) *metav1.Time {
	return &metav1.Time{Time: nine.Add(time.Duration(seconds) * time.Second)}
}

// clockSet is what the clock reads of a set.
type clockSet struct {
	state                               v1alpha1.DesiredBreakoutState
	openAt, openedAt, closedAt, deleted *metav1.Time
	duration                            int32
	mainSession                         string // there is a planned view
	returnMode                          v1alpha1.ReturnMode
	warning                             int32
}

func (c clockSet) set() *v1alpha1.BreakoutSet {
	s := &v1alpha1.BreakoutSet{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: c.deleted}}
	s.Spec.State, s.Spec.OpenAt, s.Spec.ReturnMode = c.state, c.openAt, c.returnMode
	s.Status.OpenedAt, s.Status.ClosedAt, s.Status.MainSessionID = c.openedAt, c.closedAt, c.mainSession
	if c.duration > 0 {
		s.Spec.DurationSeconds = &c.duration
	}
	if c.warning > 0 {
		s.Spec.WarningSeconds = &c.warning
	}
	return s
}

func TestScheduleOf(t *testing.T) {
	closes := func(seconds int) breakout.Schedule {
		return breakout.Schedule{Open: true, ClosesAt: at(seconds).Time, Next: at(seconds).Time}
	}
	for name, tc := range map[string]struct {
		set  clockSet
		now  int
		want breakout.Schedule
	}{
		"opens at once":                 {want: breakout.Schedule{Open: true}},
		"open, for ever":                {set: clockSet{openedAt: at(0)}, now: 10, want: breakout.Schedule{Open: true}},
		"to be opened, with a duration": {set: clockSet{duration: 60}, want: breakout.Schedule{Open: true}},
		"open, with a duration":         {set: clockSet{duration: 60, openedAt: at(0)}, now: 10, want: closes(60)},
		"the last moment":               {set: clockSet{duration: 60, openedAt: at(0)}, now: 59, want: closes(60)},
		"the time is up": {
			set: clockSet{duration: 60, openedAt: at(0)}, now: 60,
			want: breakout.Schedule{Reason: "TimeUp", ClosesAt: at(60).Time},
		},
		"the time was up while nobody looked": {
			set: clockSet{duration: 60, openedAt: at(0)}, now: 6000,
			want: breakout.Schedule{Reason: "TimeUp", ClosesAt: at(60).Time},
		},
		"closed when the time was up, and stays so": {
			set: clockSet{duration: 60, openedAt: at(0), closedAt: at(60)}, now: 90,
			want: breakout.Schedule{Reason: "TimeUp", ClosesAt: at(60).Time},
		},
		"a longer duration opens again": {
			set: clockSet{duration: 600, openedAt: at(0), closedAt: at(60)}, now: 90, want: closes(600),
		},
		"no duration any more opens again": {
			set: clockSet{openedAt: at(0), closedAt: at(60)}, now: 90, want: breakout.Schedule{Open: true},
		},
		"a shorter one ends an opening": {
			set: clockSet{duration: 30, openedAt: at(0)}, now: 31,
			want: breakout.Schedule{Reason: "TimeUp", ClosesAt: at(30).Time},
		},
		"closed by its state": {
			set: clockSet{state: "Closed", openedAt: at(0)}, now: 5, want: breakout.Schedule{Reason: "Closed"},
		},
		"closed wins over openAt": {
			set: clockSet{state: "Closed", openAt: at(60)}, want: breakout.Schedule{Reason: "Closed"},
		},
		"deletion wins over everything": {
			set: clockSet{deleted: at(1), state: "Closed", openAt: at(60)}, now: 2,
			want: breakout.Schedule{Reason: "Deleting"},
		},
		"opened anew after Closed": {
			set: clockSet{state: "Open", duration: 60, closedAt: at(30)}, now: 90, want: breakout.Schedule{Open: true},
		},
		"scheduled": {
			set: clockSet{openAt: at(60)}, now: 59, want: breakout.Schedule{Reason: "Scheduled", Next: at(60).Time},
		},
		"its time has come": {set: clockSet{openAt: at(60)}, now: 60, want: breakout.Schedule{Open: true}},
		"its time has come, and is short": {
			set: clockSet{openAt: at(60), duration: 60}, now: 60,
			want: breakout.Schedule{Open: true, Next: at(120).Time},
		},
		"late, but not over": {
			set: clockSet{openAt: at(60), duration: 60}, now: 119,
			want: breakout.Schedule{Open: true, Next: at(120).Time},
		},
		"missed": {set: clockSet{openAt: at(60), duration: 60}, now: 120, want: breakout.Schedule{Reason: "Missed"}},
		"without a duration nothing is missed": {
			set: clockSet{openAt: at(60)}, now: 100000, want: breakout.Schedule{Open: true},
		},
		"opened late: the duration counts from then": {
			set: clockSet{openAt: at(60), duration: 60, openedAt: at(100)}, now: 130, want: closes(160),
		},
		"a later openAt while open closes": {
			set: clockSet{openAt: at(60), openedAt: at(0)}, now: 10,
			want: breakout.Schedule{Reason: "Scheduled", Next: at(60).Time},
		},
		"and then opens anew": {
			set: clockSet{openAt: at(60), duration: 30, openedAt: at(0), closedAt: at(10)}, now: 61,
			want: breakout.Schedule{Open: true, Next: at(90).Time},
		},
		"or is missed": {
			set: clockSet{openAt: at(60), duration: 30, openedAt: at(0), closedAt: at(10)}, now: 91,
			want: breakout.Schedule{Reason: "Missed"},
		},
		"closed after its openAt, and opened by hand": {
			set: clockSet{state: "Open", openAt: at(0), duration: 30, closedAt: at(10)}, now: 100,
			want: breakout.Schedule{Open: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, breakout.ScheduleOf(tc.set.set(), at(tc.now).Time)); diff != "" {
				t.Errorf("ScheduleOf (-want +got):\n%s", diff)
			}
		})
	}
}

// What the schedule says holds until Next, and then it says something else.
func TestScheduleNext(t *testing.T) {
	for name, set := range map[string]clockSet{
		"scheduled":        {openAt: at(60)},
		"scheduled, short": {openAt: at(60), duration: 5},
		"late":             {openAt: at(-60), duration: 70},
		"open":             {openedAt: at(-10), duration: 70},
		"extended":         {openedAt: at(-10), closedAt: at(-5), duration: 70},
	} {
		t.Run(name, func(t *testing.T) {
			said := breakout.ScheduleOf(set.set(), nine)
			if !said.Next.After(nine) {
				t.Fatalf("next is %v, want a time to come", said.Next)
			}
			if diff := cmp.Diff(said, breakout.ScheduleOf(set.set(), said.Next.Add(-time.Nanosecond))); diff != "" {
				t.Errorf("just before next (-before +then):\n%s", diff)
			}
			if then := breakout.ScheduleOf(set.set(), said.Next); cmp.Equal(said, then) {
				t.Errorf("at next it still says %v", then)
			}
		})
	}
}

func TestHolds(t *testing.T) {
	type standing struct{ Open, Closing, Holds bool }
	for name, tc := range map[string]struct {
		set  clockSet
		now  int
		want standing
	}{
		"wants to open": {want: standing{Holds: true}},
		"scheduled":     {set: clockSet{openAt: at(60)}},
		"its turn":      {set: clockSet{openAt: at(60)}, now: 60, want: standing{Holds: true}},
		"open":          {set: clockSet{openedAt: at(0), mainSession: "s"}, want: standing{Open: true, Holds: true}},
		"open, and asked to close": {
			set: clockSet{state: "Closed", openedAt: at(0), mainSession: "s"}, want: standing{Open: true, Holds: true},
		},
		"closing": {
			set:  clockSet{state: "Closed", closedAt: at(0), mainSession: "s"},
			want: standing{Closing: true, Holds: true},
		},
		"closing as the time is up": {
			set:  clockSet{duration: 5, openedAt: at(-5), closedAt: at(0), mainSession: "s"},
			want: standing{Closing: true, Holds: true},
		},
		"closed":                        {set: clockSet{state: "Closed", closedAt: at(0)}},
		"closed, the time is up":        {set: clockSet{duration: 5, openedAt: at(-5), closedAt: at(0)}},
		"missed":                        {set: clockSet{duration: 5, openAt: at(-6)}},
		"deleted before it ever opened": {set: clockSet{deleted: at(0)}},
		"deleted with people on the way": {
			set:  clockSet{deleted: at(0), closedAt: at(0), mainSession: "s"},
			want: standing{Closing: true, Holds: true},
		},
		"closed, wanted open once more": {set: clockSet{closedAt: at(-60)}, want: standing{Holds: true}},
		"closing, wanted open once more": {
			set: clockSet{closedAt: at(-1), mainSession: "s"}, want: standing{Closing: true, Holds: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := tc.set.set()
			got := standing{breakout.IsOpen(set), breakout.IsClosing(set), breakout.Holds(set, at(tc.now).Time)}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestForget(t *testing.T) {
	st := openStatus()
	breakout.PlanClosing(st, nine, nine)
	st.ClosedAt = at(0)
	set := &v1alpha1.BreakoutSet{Status: *st}
	if !breakout.IsClosing(set) {
		t.Fatal("a closing whose view is kept is complete")
	}
	breakout.Forget(&set.Status)
	want := v1alpha1.BreakoutSetStatus{
		OpenedAt: at(-60), ClosedAt: at(0), Signals: v1alpha1.SignalsStatus{
			Revision: nine.UnixMilli(),
		}, // which must go on rising
	}
	if diff := cmp.Diff(want, set.Status); diff != "" {
		t.Errorf("after Forget (-want +got):\n%s", diff)
	}
	if breakout.IsClosing(set) {
		t.Error("after Forget the set is closing still")
	}
}

func TestTimerOf(t *testing.T) {
	for name, tc := range map[string]struct {
		set  clockSet
		want *v1alpha1.TimerStatus
	}{
		"no end, no countdown": {},
		"automatic, unless said otherwise": {
			set: clockSet{duration: 90},
			want: &v1alpha1.TimerStatus{
				EndTime: *at(90), DurationSeconds: 90, WarningSeconds: 30, ReturnMode: v1alpha1.ReturnAutomatic,
			},
		},
		"manual, with a warning": {
			set: clockSet{duration: 90, returnMode: v1alpha1.ReturnManual, warning: 5},
			want: &v1alpha1.TimerStatus{
				EndTime: *at(90), DurationSeconds: 90, WarningSeconds: 5, ReturnMode: v1alpha1.ReturnManual,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, breakout.TimerOf(tc.set.set(), nine)); diff != "" {
				t.Errorf("TimerOf (-want +got):\n%s", diff)
			}
		})
	}
}

// A countdown without an end ends in a year, and lasts no time at all.
func TestNoEnd(t *testing.T) {
	want := &v1alpha1.TimerStatus{EndTime: metav1.NewTime(nine.AddDate(1, 0, 0)), ReturnMode: v1alpha1.ReturnManual}
	if diff := cmp.Diff(want, breakout.NoEnd(nine.Add(300*time.Millisecond))); diff != "" {
		t.Errorf("NoEnd (-want +got):\n%s", diff)
	}
}

func TestCloseGrace(t *testing.T) {
	for name, tc := range map[string]struct {
		grace *int32
		want  time.Duration
	}{
		"unless said otherwise": {want: 15 * time.Second},
		"none":                  {grace: new(int32(0))},
		"a minute":              {grace: new(int32(60)), want: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			set := &v1alpha1.BreakoutSet{Spec: v1alpha1.BreakoutSetSpec{CloseGraceSeconds: tc.grace}}
			if got := breakout.CloseGrace(set); got != tc.want {
				t.Errorf("CloseGrace: %v, want %v", got, tc.want)
			}
		})
	}
}

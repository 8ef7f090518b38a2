// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

const (
	// DefaultWarning is for how long before the end browsers show the countdown where a set does not say.
	DefaultWarning = 30 * time.Second

	// DefaultCloseGrace is how long people have to leave a closing room where a set does not say.
	DefaultCloseGrace = 15 * time.Second

	// OpeningPatience is how long an opening waits for rooms that are not ready before it goes on without them.
	OpeningPatience = 30 * time.Second

	// ClosingPatience is how much longer than the grace a closing waits for signals that fail.
	ClosingPatience = 30 * time.Second
)

// Schedule is what the clock and the spec say about a set at one moment.
type Schedule struct {
	// Open is whether the rooms should be open now.
	Open bool

	// Reason is why not: a reason of condition Open; empty while Open.
	Reason string

	// ClosesAt is when the time is up; zero when there is no end, or none yet because the set was not opened.
	ClosesAt time.Time

	// Next is when the clock will say something else; zero when it will not by itself.
	Next time.Time
}

// ScheduleOf tells whether a set should be open at now, by its spec and by when it was opened.
func ScheduleOf(set *v1alpha1.BreakoutSet, now time.Time) Schedule {
	switch openAt := timeOf(set.Spec.OpenAt); {
	case !set.DeletionTimestamp.IsZero():
		return Schedule{Reason: v1alpha1.DeletingReason}
	case set.Spec.State == v1alpha1.DesiredClosed:
		return Schedule{Reason: v1alpha1.ClosedReason}
	case openAt.After(now):
		return Schedule{Reason: v1alpha1.ScheduledReason, Next: openAt}
	}
	duration := Duration(set)
	opened := openedAt(set)
	if opened.IsZero() {
		return scheduleUnopened(set, duration, now)
	}
	if duration == 0 {
		return Schedule{Open: true}
	}
	closesAt := opened.Add(duration)
	if !now.Before(closesAt) {
		return Schedule{Reason: v1alpha1.TimeUpReason, ClosesAt: closesAt}
	}
	return Schedule{Open: true, ClosesAt: closesAt, Next: closesAt}
}

// scheduleUnopened is the schedule of a set whose opening, if it comes, is still to come: it is missed when its time
// went by without one.
func scheduleUnopened(set *v1alpha1.BreakoutSet, duration time.Duration, now time.Time) Schedule {
	openAt, closedAt := timeOf(set.Spec.OpenAt), timeOf(set.Status.ClosedAt)
	if openAt.IsZero() || duration == 0 || (!closedAt.IsZero() && !closedAt.Before(openAt)) {
		return Schedule{Open: true}
	}
	if over := openAt.Add(duration); now.Before(over) {
		return Schedule{Open: true, Next: over}
	}
	return Schedule{Reason: v1alpha1.MissedReason}
}

// openedAt is when the set's present opening began; zero when an opening is still to come, be it that the last one is
// closed and openAt came after it.
func openedAt(set *v1alpha1.BreakoutSet) time.Time {
	opened, openAt := timeOf(set.Status.OpenedAt), timeOf(set.Spec.OpenAt)
	if set.Status.ClosedAt != nil && opened.Before(openAt) {
		return time.Time{}
	}
	return opened
}

// Duration is how long the rooms of a set stay open; 0 when there is no end.
func Duration(set *v1alpha1.BreakoutSet) time.Duration {
	return secondsOr(set.Spec.DurationSeconds, 0)
}

// Warning is for how long before the end browsers show the countdown.
func Warning(set *v1alpha1.BreakoutSet) time.Duration {
	return secondsOr(set.Spec.WarningSeconds, DefaultWarning)
}

// CloseGrace is how long people have to leave a closing room of the set.
func CloseGrace(set *v1alpha1.BreakoutSet) time.Duration {
	return secondsOr(set.Spec.CloseGraceSeconds, DefaultCloseGrace)
}

// IsOpen tells whether the set's rooms were opened and no closing was planned since.
func IsOpen(set *v1alpha1.BreakoutSet) bool {
	return set.Status.OpenedAt != nil && set.Status.ClosedAt == nil
}

// IsClosing tells whether a closing was planned that is not complete: sessions are not all told, or rooms not gone yet.
// Until then the status holds the view; Forget drops it.
func IsClosing(set *v1alpha1.BreakoutSet) bool {
	return !IsOpen(set) && set.Status.MainSessionID != ""
}

// Forget drops the view of a status whose closing is complete.
func Forget(st *v1alpha1.BreakoutSetStatus) {
	View{}.write(st)
	st.Signals.Sessions, st.Signals.Moving = nil, nil
}

// Holds tells whether a set has a right to keep its main room: it is open, on the way there, or its people are still on
// their way back.
func Holds(set *v1alpha1.BreakoutSet, now time.Time) bool {
	return IsOpen(set) || IsClosing(set) || ScheduleOf(set, now).Open
}

// TimerOf is the countdown of a set that was opened at opened; nil when there is no end.
func TimerOf(set *v1alpha1.BreakoutSet, opened time.Time) *v1alpha1.TimerStatus {
	duration := Duration(set)
	if duration == 0 {
		return nil
	}
	mode := set.Spec.ReturnMode
	if mode == "" {
		mode = v1alpha1.ReturnAutomatic
	}
	return &v1alpha1.TimerStatus{
		EndTime:         metav1.NewTime(opened.Add(duration)),
		DurationSeconds: int32(duration / time.Second),
		WarningSeconds:  int32(Warning(set) / time.Second),
		ReturnMode:      mode,
	}
}

// NoEnd is the countdown of a set that has no end any more: browsers cannot drop one, and have one that ends in a year
// instead.
func NoEnd(now time.Time) *v1alpha1.TimerStatus {
	return &v1alpha1.TimerStatus{
		EndTime:    metav1.NewTime(now.AddDate(1, 0, 0).Truncate(time.Second)),
		ReturnMode: v1alpha1.ReturnManual,
	}
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

func secondsOr(seconds *int32, otherwise time.Duration) time.Duration {
	if seconds == nil {
		return otherwise
	}
	return time.Duration(*seconds) * time.Second
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// Action is what a set needs.
type Action string

// What a set may need.
const (
	// DoNothing: nothing is to be done, or not yet.
	DoNothing Action = ""
	// DoOpen: the rooms are to be opened.
	DoOpen Action = "Open"
	// DoUpdate: people are to know of a change.
	DoUpdate Action = "Update"
	// DoClose: all are to be called back.
	DoClose Action = "Close"
)

// gatherPatience is how long a change waits for what belongs to it, such as tokens for all who move: then all of it is
// sent at once.
const gatherPatience = 2 * time.Second

// Input is what a decision follows from.
type Input struct {
	// Set is the set with its status; Schedule is what the clock and the spec say of it at Now.
	Set      *v1alpha1.BreakoutSet
	Schedule Schedule
	Now      time.Time

	// Main is the main room; nil where there is none that can be used.
	Main *v1alpha1.MeetingRoom

	// Rooms are the rooms that the spec asks for, Children their MeetingRooms, FirstMade when the first of them was
	// made, Places who goes where.
	Rooms     []v1alpha1.BreakoutRoomSpec
	Children  map[v1alpha1.BreakoutRoomName]Child
	FirstMade time.Time
	Places    Places

	// Holds is whether the set has the main room to itself, Blocked whether something stands in the way of opening.
	Holds, Blocked bool

	// MissingSince is since when something is missing of a change; zero when nothing is.
	MissingSince time.Time

	// MovingTo are the rooms that people may be on their way to, which they are sent to by name, and until when; the
	// room without a name is any.
	MovingTo map[v1alpha1.BreakoutRoomName]time.Time

	// Request is what people ask for beside the spec.
	Request Request
}

// Decision is what to do about a set.
type Decision struct {
	Action Action

	// View is what people are to know, for DoOpen and DoUpdate; Opened when the opening began.
	View   View
	Opened time.Time

	// Adjusted are the rooms whose names had to be changed to be told apart, Held whether rooms keep their names for a
	// moment.
	Adjusted []v1alpha1.BreakoutRoomName
	Held     bool

	// MissingSince is since when something is missing of a change, to be passed with the next Input.
	MissingSince time.Time

	// Again is when to decide again if nothing happens; zero for never.
	Again time.Time

	request Request
}

// Decide decides whether a set is to be opened, updated or closed now.
func Decide(in Input) Decision {
	wanted := in.Schedule.Open && in.Main != nil && in.Holds
	switch open := IsOpen(in.Set); {
	case open && !wanted:
		return Decision{Action: DoClose}
	case open:
		return in.update()
	case wanted && !IsClosing(in.Set) && !in.Blocked:
		return in.open()
	default:
		return Decision{}
	}
}

// open opens the rooms when all are ready, or when those that are not have been waited for long enough.
func (in Input) open() Decision {
	d := Decision{Action: DoOpen, Opened: in.Now.Truncate(time.Second)}
	if in.Schedule.ClosesAt.After(in.Now) {
		d.Opened = in.Set.Status.OpenedAt.Time // the time was up and is not any more: the same opening goes on
	}
	d.View, d.Adjusted = ViewOf(in.viewInput(d.Opened))
	if missing := len(in.Rooms) - len(d.View.Rooms); missing > 0 {
		patience := in.FirstMade.Add(OpeningPatience)
		switch {
		case in.Now.Before(patience):
			return Decision{Again: patience}
		case len(d.View.Rooms) == 0:
			return Decision{} // there is nothing to open yet; the first room to be ready is an event
		}
	}
	return d
}

// update compares what people should know with what they are told.
func (in Input) update() Decision {
	d := Decision{request: in.Request}
	v := in.viewInput(in.Set.Status.OpenedAt.Time)
	d.View, d.Adjusted = ViewOf(v)
	if !v.Complete(d.View) || v.Mode != ModeOf(in.Set) {
		d.MissingSince = in.MissingSince
		if d.MissingSince.IsZero() {
			d.MissingSince = in.Now
		}
		if until := d.MissingSince.Add(gatherPatience); in.Now.Before(until) {
			d.Again = until
			d.View = Planned(&in.Set.Status)
		}
	}
	if v.NamesFixed != nil {
		v.NamesFixed = nil
		if wanted, _ := ViewOf(v); !wanted.sameNames(d.View) {
			d.Held = true
			for _, until := range in.MovingTo {
				if until.After(in.Now) && (d.Again.IsZero() || until.Before(d.Again)) {
					d.Again = until
				}
			}
		}
	}
	if !d.View.equal(Planned(&in.Set.Status)) || !d.request.IsEmpty() {
		d.Action = DoUpdate
	}
	return d
}

// Apply writes a decision into the status of the set that it is about. A closing calls people back at notBefore at the
// earliest. It reports whether the status changed.
func (d Decision) Apply(set *v1alpha1.BreakoutSet, notBefore, now time.Time) bool {
	st := &set.Status
	switch d.Action {
	case DoOpen:
		st.OpenedAt, st.ClosedAt = &metav1.Time{Time: d.Opened}, nil
		PlanOpening(st, d.View, now)
	case DoUpdate:
		return PlanUpdate(st, d.View, d.request, now)
	case DoClose:
		PlanClosing(st, notBefore, now)
		st.ClosedAt = &metav1.Time{Time: now.Truncate(time.Second)}
		st.Unassigned = nil
	default:
		return false
	}
	return true
}

// viewInput is what the view of what people should know now follows from.
func (in Input) viewInput(opened time.Time) ViewInput {
	st := &in.Set.Status
	v := ViewInput{
		Main: in.Main, Rooms: in.Rooms, Children: in.Children, Places: in.Places, Open: IsOpen(in.Set),
		Timer: in.timer(opened), Mode: ModeOf(in.Set), Linger: !in.Blocked,
	}
	if !v.Open {
		v.Linger = false
		return v
	}
	for room, until := range in.MovingTo {
		if until.After(in.Now) && v.NamesFixed == nil {
			v.NamesFixed = map[roomName]bool{}
		}
		if until.After(in.Now) {
			v.NamesFixed[room] = true
		}
	}
	v.Planned = Planned(st)
	if v.Mode == v1alpha1.ModeChoose && st.Mode != v.Mode && !in.childrenReady() {
		v.Mode = st.Mode // nobody is asked to choose before there are tokens for every choice
	}
	return v
}

// timer is the countdown that browsers should have. Where they had one before, and none is wanted, that is one without
// an end.
func (in Input) timer(opened time.Time) *v1alpha1.TimerStatus {
	if t := TimerOf(in.Set, opened); t != nil {
		return t
	}
	switch had := in.Set.Status.Timer; {
	case had != nil && had.DurationSeconds == 0:
		return had
	case had != nil, !IsOpen(in.Set) && in.Main.Status.CountdownTime != nil:
		return NoEnd(in.Now)
	default:
		return nil
	}
}

// childrenReady is whether every breakout room has published the tokens that it is asked for.
func (in Input) childrenReady() bool {
	for _, child := range in.Children {
		if !child.Terminating && !child.Ready {
			return false
		}
	}
	return true
}

// ModeOf is how people come to a room of a set.
func ModeOf(set *v1alpha1.BreakoutSet) v1alpha1.BreakoutSetMode {
	if a := set.Spec.Assignment; a != nil && a.Mode != "" {
		return a.Mode
	}
	return v1alpha1.ModeAutomatic
}

// sameNames tells whether two views show the same rooms under the same names.
func (v View) sameNames(w View) bool {
	for _, r := range v.Rooms {
		if other := w.Room(r.Name); other != nil && other.DisplayName != r.DisplayName {
			return false
		}
	}
	return true
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// openInput is the classroom, open for a minute, with nothing to do.
func openInput() breakout.Input {
	everybody := []person{"Jo", "Co", "Ada", "Bob", "Cyd"}
	set := &v1alpha1.BreakoutSet{Status: *openStatus()}
	set.Spec.Rooms = []v1alpha1.BreakoutRoomSpec{named("red", "Red"), named("blue", "Blue")}
	main := mainOf(people("Jo/h", "Co/c", "Ada", "Bob", "Cyd")...)
	main.Spec.DisplayName = "Algebra"
	return breakout.Input{
		Set: set, Now: nine, Main: main, FirstMade: at(-60).Time, Holds: true,
		Children: children{"red": ready("red", everybody...), "blue": ready("blue", everybody...)},
		Places:   breakout.Places{"Ada": "red", "Bob": "red", "Cyd": "blue"},
	}
}

// newInput is the same before it was opened.
func newInput() breakout.Input {
	in := openInput()
	in.Set.Status = v1alpha1.BreakoutSetStatus{}
	return in
}

// decide decides with the rooms and the schedule that the spec says.
func decide(in breakout.Input) breakout.Decision {
	in.Schedule, in.Rooms = breakout.ScheduleOf(in.Set, in.Now), breakout.RoomsOf(&in.Set.Spec)
	return breakout.Decide(in)
}

func unready(in *breakout.Input, rooms ...room) {
	for _, r := range rooms {
		c := in.Children[r]
		c.Ready = false
		in.Children[r] = c
	}
}

func tokenless(in *breakout.Input, r room, p person) { delete(in.Children[r].Tokens, p) }

func lasting(in *breakout.Input, seconds int32) { in.Set.Spec.DurationSeconds = &seconds }

func choose(in *breakout.Input) {
	in.Set.Spec.Assignment = &v1alpha1.AssignmentSpec{Mode: v1alpha1.ModeChoose}
	in.Places = nil
}

// decided is what is to be seen of a decision that was applied.
type decided struct {
	Action   breakout.Action
	Again    int // seconds from nine; 0 for never
	Missing  int // since when something is missing, in seconds from nine; 0 for never
	Held     bool
	Adjusted []room
	Owed     []string
	Opened   int // seconds from nine
	Closed   int // seconds from nine; 0 while it is not
}

func TestDecide(t *testing.T) {
	const (
		opened = -60
		now    = 1
	)
	timer := func(in *breakout.Input, end int) { in.Set.Status.Timer = timerOf(end, v1alpha1.ReturnAutomatic) }
	toRoles := []string{"main new: Opening Roles", "[Ada Bob Cyd]"}
	removals := []string{"main lags: Removal", "red lags: Removal", "blue lags: Removal"}
	countdowns := []string{"main lags: Countdown", "red lags: Countdown", "blue lags: Countdown"}
	for name, tc := range map[string]struct {
		unopened bool
		edit     func(in *breakout.Input)
		want     decided
	}{
		"opens when all rooms are ready": {
			unopened: true, edit: func(*breakout.Input) {},
			want: decided{Action: breakout.DoOpen, Opened: now, Owed: toRoles},
		},
		"opens without rooms that nobody asks for": {
			unopened: true,
			edit:     func(in *breakout.Input) { in.Set.Spec.Rooms, in.Children, in.Places = nil, nil, nil },
			want:     decided{Action: breakout.DoOpen, Opened: now, Owed: []string{"main new: Roles"}},
		},
		"waits for a room": {
			unopened: true, edit: func(in *breakout.Input) { unready(in, "red"); in.FirstMade = at(-28).Time },
			want: decided{Again: 2},
		},
		"opens without it after 30 s": {
			unopened: true, edit: func(in *breakout.Input) { unready(in, "red"); in.FirstMade = at(-29).Time },
			want: decided{Action: breakout.DoOpen, Opened: now, Owed: []string{"main new: Opening Roles", "[Cyd]"}},
		},
		"waits for the first room as long as it takes": {
			unopened: true, edit: func(in *breakout.Input) { unready(in, "red", "blue") },
		},
		"opens while somebody has no token, who stays in the main room": {
			unopened: true, edit: func(in *breakout.Input) { tokenless(in, "red", "Ada") },
			want: decided{Action: breakout.DoOpen, Opened: now, Owed: []string{"main new: Opening Roles", "[Bob Cyd]"}},
		},
		"something stands in the way of opening": {
			unopened: true, edit: func(in *breakout.Input) { in.Blocked = true },
		},
		"another set has the main room": {
			unopened: true, edit: func(in *breakout.Input) { in.Holds = false },
		},
		"there is no main room": {
			unopened: true, edit: func(in *breakout.Input) { in.Main = nil },
		},
		"its time is to come": {
			unopened: true, edit: func(in *breakout.Input) { in.Set.Spec.OpenAt = at(60) },
		},
		"it is to be closed, and never was open": {
			unopened: true, edit: func(in *breakout.Input) { in.Set.Spec.State = v1alpha1.DesiredClosed },
		},
		"opens anew only when its closing is complete": {
			edit: func(in *breakout.Input) { in.Set.Status.ClosedAt = at(-30) },
			want: decided{Closed: -30, Opened: opened},
		},
		"and then does": {
			unopened: true,
			edit:     func(in *breakout.Input) { in.Set.Status.OpenedAt, in.Set.Status.ClosedAt = at(opened), at(-30) },
			want:     decided{Action: breakout.DoOpen, Opened: now, Owed: toRoles},
		},
		"goes on with an opening whose time was up and is not any more": {
			unopened: true, edit: func(in *breakout.Input) {
				in.Set.Status.OpenedAt, in.Set.Status.ClosedAt = at(opened), at(-30)
				lasting(in, 600)
			},
			want: decided{
				Action: breakout.DoOpen, Opened: opened,
				Owed: []string{"main new: Countdown Opening Roles", "[Ada Bob Cyd]"},
			},
		},
		"opens with a countdown": {
			unopened: true, edit: func(in *breakout.Input) { lasting(in, 600) },
			want: decided{
				Action: breakout.DoOpen, Opened: now,
				Owed: []string{"main new: Countdown Opening Roles", "[Ada Bob Cyd]"},
			},
		},
		"opens with one that has no end, where browsers had one before": {
			unopened: true, edit: func(in *breakout.Input) { in.Main.Status.CountdownTime = at(-3600) },
			want: decided{
				Action: breakout.DoOpen, Opened: now,
				Owed: []string{"main new: Countdown Opening Roles", "[Ada Bob Cyd]"},
			},
		},
		"tells rooms of one name apart": {
			unopened: true, edit: func(in *breakout.Input) { in.Set.Spec.Rooms[1].DisplayName = "Red" },
			want: decided{Action: breakout.DoOpen, Opened: now, Owed: toRoles, Adjusted: []room{"blue"}},
		},

		"nothing to do": {edit: func(*breakout.Input) {}, want: decided{Opened: opened}},
		"what stands in the way of opening does not close": {
			edit: func(in *breakout.Input) { in.Blocked = true }, want: decided{Opened: opened},
		},
		"closes by its state": {
			edit: func(in *breakout.Input) { in.Set.Spec.State = v1alpha1.DesiredClosed },
			want: decided{Action: breakout.DoClose, Opened: opened, Closed: now, Owed: removals},
		},
		"closes when it is deleted": {
			edit: func(in *breakout.Input) { in.Set.DeletionTimestamp = at(0) },
			want: decided{Action: breakout.DoClose, Opened: opened, Closed: now, Owed: removals},
		},
		"closes when the time is up": {
			edit: func(in *breakout.Input) { lasting(in, 60); timer(in, 0); in.Set.Status.Timer.DurationSeconds = 60 },
			want: decided{Action: breakout.DoClose, Opened: opened, Closed: now, Owed: removals},
		},
		"closes before the end": {
			edit: func(in *breakout.Input) {
				lasting(in, 600)
				timer(in, 540)
				in.Set.Spec.State = v1alpha1.DesiredClosed
			},
			want: decided{
				Action: breakout.DoClose, Opened: opened, Closed: now,
				Owed: []string{
					"main lags: Countdown Removal", "red lags: Countdown Removal", "blue lags: Countdown Removal",
				},
			},
		},
		"closes for a time that is to come": {
			edit: func(in *breakout.Input) { in.Set.Spec.OpenAt = at(60) },
			want: decided{Action: breakout.DoClose, Opened: opened, Closed: now, Owed: removals},
		},
		"closes when the main room is gone": {
			edit: func(in *breakout.Input) { in.Main = nil },
			want: decided{Action: breakout.DoClose, Opened: opened, Closed: now, Owed: removals},
		},
		"closes when another set has the main room": {
			edit: func(in *breakout.Input) { in.Holds = false },
			want: decided{Action: breakout.DoClose, Opened: opened, Closed: now, Owed: removals},
		},
		"closes while things are owed": {
			edit: func(in *breakout.Input) {
				moved("Ada", "blue")(&in.Set.Status, nine)
				in.Set.Spec.State = v1alpha1.DesiredClosed
			},
			want: decided{Action: breakout.DoClose, Opened: opened, Closed: now, Owed: removals},
		},

		"a move": {
			edit: func(in *breakout.Input) { in.Places["Ada"] = "blue" },
			want: decided{
				Action: breakout.DoUpdate, Opened: opened,
				Owed: []string{"main lags: Moves", "red lags: Moves", "[Ada]"},
			},
		},
		"somebody new in the main room changes the status alone": {
			edit: func(in *breakout.Input) {
				in.Main.Spec.Participants = append(in.Main.Spec.Participants, people("Eve")...)
			},
			want: decided{Action: breakout.DoUpdate, Opened: opened},
		},
		"a change waits for tokens": {
			edit: func(in *breakout.Input) {
				in.Places["Ada"], in.Places["Bob"] = "blue", "blue"
				tokenless(in, "blue", "Bob")
			},
			want: decided{Opened: opened, Missing: now, Again: now + 2},
		},
		"and waits on": {
			edit: func(in *breakout.Input) {
				in.Places["Ada"], in.Places["Bob"] = "blue", "blue"
				tokenless(in, "blue", "Bob")
				in.MissingSince = nine
			},
			want: decided{Opened: opened, Missing: 0, Again: 2},
		},
		"and is made without them after 2 s": {
			edit: func(in *breakout.Input) {
				in.Places["Ada"], in.Places["Bob"] = "blue", "blue"
				tokenless(in, "blue", "Bob")
				in.MissingSince = at(-1).Time
			},
			want: decided{
				Action: breakout.DoUpdate, Opened: opened, Missing: -1,
				Owed: []string{"main lags: Moves", "red lags: Moves", "[Ada]"},
			},
		},
		"when nothing is missing any more, that is forgotten": {
			edit: func(in *breakout.Input) { in.MissingSince = at(-1).Time }, want: decided{Opened: opened},
		},
		"a change waits for a room": {
			edit: func(in *breakout.Input) {
				in.Set.Spec.Rooms = append(in.Set.Spec.Rooms, named("gold", "Gold"))
				in.Places["Ada"] = "blue"
			},
			want: decided{Opened: opened, Missing: now, Again: now + 2},
		},
		"but not for one that is going": {
			edit: func(in *breakout.Input) {
				gold := ready("gold")
				gold.Terminating = true
				in.Children["gold"] = gold
				in.Set.Spec.Rooms = append(in.Set.Spec.Rooms, named("gold", "Gold"))
				in.Places["Ada"] = "blue"
			},
			want: decided{
				Action: breakout.DoUpdate, Opened: opened,
				Owed: []string{"main lags: Moves", "red lags: Moves", "[Ada]"},
			},
		},
		"what is asked for does not wait": {
			edit: func(in *breakout.Input) {
				in.Places["Ada"] = "blue"
				tokenless(in, "blue", "Ada")
				in.Request.Recall = []person{"Cyd"}
			},
			want: decided{
				Action: breakout.DoUpdate, Opened: opened, Missing: now, Again: now + 2,
				Owed: []string{"main lags: Moves", "red lags: Moves", "blue lags: Moves", "[Cyd]"},
			},
		},
		"everything again": {
			edit: func(in *breakout.Input) { in.Request.Resend = true },
			want: decided{Action: breakout.DoUpdate, Opened: opened, Owed: []string{
				"main lags: Rooms Moves Roles", "red lags: Rooms Moves Roles",
				"blue lags: Rooms Moves Roles", "[Ada Bob Cyd]",
			}},
		},
		"a name": {
			edit: func(in *breakout.Input) { in.Set.Spec.Rooms[0].DisplayName = "Crimson" },
			want: decided{
				Action: breakout.DoUpdate, Opened: opened, Owed: []string{"main lags: Rooms", "red lags: Rooms"},
			},
		},
		"names are held while people are on the move": {
			edit: func(in *breakout.Input) {
				in.Set.Spec.Rooms[0].DisplayName = "Crimson"
				in.MovingTo = movingTo(5)
			},
			want: decided{Opened: opened, Held: true, Again: 5},
		},
		"a room's name is held while people are on the move there": {
			edit: func(in *breakout.Input) {
				in.Set.Spec.Rooms[0].DisplayName = "Crimson"
				in.MovingTo = map[room]time.Time{"red": at(5).Time, "blue": at(3).Time, "main": nine}
			},
			want: decided{Opened: opened, Held: true, Again: 3},
		},
		"but not while they are on the move elsewhere": {
			edit: func(in *breakout.Input) {
				in.Set.Spec.Rooms[0].DisplayName = "Crimson"
				in.MovingTo = map[room]time.Time{"blue": at(5).Time, "main": at(5).Time, "red": nine}
			},
			want: decided{
				Action: breakout.DoUpdate, Opened: opened, Owed: []string{"main lags: Rooms", "red lags: Rooms"},
			},
		},
		"no longer": {
			edit: func(in *breakout.Input) {
				in.Set.Spec.Rooms[0].DisplayName = "Crimson"
				in.MovingTo = movingTo(now)
			},
			want: decided{
				Action: breakout.DoUpdate, Opened: opened, Owed: []string{"main lags: Rooms", "red lags: Rooms"},
			},
		},
		"and nothing else is": {
			edit: func(in *breakout.Input) {
				in.Set.Spec.Rooms[0].DisplayName, in.Places["Ada"] = "Crimson", "blue"
				in.MovingTo = movingTo(5)
			},
			want: decided{
				Action: breakout.DoUpdate, Opened: opened, Held: true, Again: 5,
				Owed: []string{"main lags: Moves", "red lags: Moves", "[Ada]"},
			},
		},
		"on the move, and no other names": {
			edit: func(in *breakout.Input) { in.MovingTo = movingTo(5) }, want: decided{Opened: opened},
		},
		"names are held, and tokens waited for": {
			edit: func(in *breakout.Input) {
				in.Set.Spec.Rooms[0].DisplayName, in.Places["Ada"] = "Crimson", "blue"
				tokenless(in, "blue", "Ada")
				in.MovingTo = movingTo(9)
			},
			want: decided{Opened: opened, Missing: now, Held: true, Again: now + 2},
		},
		"another mode waits for everybody's tokens": {
			edit: func(in *breakout.Input) {
				choose(in)
				unready(in, "red")
				in.Places = breakout.Places{"Ada": "red", "Bob": "red", "Cyd": "blue"}
			},
			want: decided{Opened: opened, Missing: now, Again: now + 2},
		},
		"however long that takes, and others move": {
			edit: func(in *breakout.Input) {
				choose(in)
				unready(in, "red")
				in.Places = breakout.Places{"Ada": "blue", "Bob": "red", "Cyd": "blue"}
				in.MissingSince = at(-1).Time
			},
			want: decided{
				Action: breakout.DoUpdate, Opened: opened, Missing: -1,
				Owed: []string{"main lags: Moves", "red lags: Moves", "[Ada]"},
			},
		},
		"but not for those of a room that is going": {
			edit: func(in *breakout.Input) {
				choose(in)
				in.Places = breakout.Places{"Ada": "red", "Bob": "red", "Cyd": "blue"}
				gold := ready("gold")
				gold.Ready, gold.Terminating = false, true
				in.Children["gold"] = gold
			},
			want: decided{Action: breakout.DoUpdate, Opened: opened, Owed: []string{"main lags: Prompt"}},
		},
		"automatic to choose": {
			edit: choose,
			want: decided{Action: breakout.DoUpdate, Opened: opened, Owed: []string{
				"main lags: Moves Prompt", "red lags: Moves", "blue lags: Moves", "[Ada Bob Cyd]",
			}},
		},
		"a countdown": {
			edit: func(in *breakout.Input) { lasting(in, 600) },
			want: decided{Action: breakout.DoUpdate, Opened: opened, Owed: countdowns},
		},
		"the same countdown": {
			edit: func(in *breakout.Input) { lasting(in, 600); timer(in, 540) }, want: decided{Opened: opened},
		},
		"another end": {
			edit: func(in *breakout.Input) { lasting(in, 660); timer(in, 540) },
			want: decided{Action: breakout.DoUpdate, Opened: opened, Owed: countdowns},
		},
		"no end any more": {
			edit: func(in *breakout.Input) { timer(in, 540) },
			want: decided{Action: breakout.DoUpdate, Opened: opened, Owed: countdowns},
		},
		"no end since long ago": {
			edit: func(in *breakout.Input) { in.Set.Status.Timer = breakout.NoEnd(at(-50).Time) },
			want: decided{Opened: opened},
		},
		"an end again": {
			edit: func(in *breakout.Input) { in.Set.Status.Timer = breakout.NoEnd(at(-50).Time); lasting(in, 600) },
			want: decided{Action: breakout.DoUpdate, Opened: opened, Owed: countdowns},
		},
		"what browsers had before an opening that had no countdown is that opening's": {
			edit: func(in *breakout.Input) { in.Main.Status.CountdownTime = at(-3600) }, want: decided{Opened: opened},
		},
		"a room that is not wanted stays while its people have no token for another": {
			edit: func(in *breakout.Input) {
				in.Set.Spec.Rooms = in.Set.Spec.Rooms[1:]
				in.Places = breakout.Places{"Ada": "blue", "Bob": "blue", "Cyd": "blue"}
				tokenless(in, "blue", "Ada")
				in.MissingSince = at(-1).Time
			},
			want: decided{
				Action: breakout.DoUpdate, Opened: opened, Missing: -1,
				Owed: []string{"main lags: Moves", "red lags: Moves", "[Bob]"},
			},
		},
		"unless something stands in the way of their ever getting one": {
			edit: func(in *breakout.Input) {
				in.Set.Spec.Rooms = in.Set.Spec.Rooms[1:]
				in.Places = breakout.Places{"Ada": "blue", "Bob": "blue", "Cyd": "blue"}
				tokenless(in, "blue", "Ada")
				in.MissingSince, in.Blocked = at(-1).Time, true
			},
			want: decided{Action: breakout.DoUpdate, Opened: opened, Missing: -1, Owed: []string{
				"red lags: Moves Removal", "main lags: Rooms Moves Removal", "[Ada Bob]",
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := openInput()
			if tc.unopened {
				in = newInput()
			}
			in.Now = at(now).Time
			tc.edit(&in)
			d := decide(in)
			before := in.Set.Status.DeepCopy()
			changed := d.Apply(in.Set, in.Now, in.Now)
			if want := !cmp.Equal(*before, in.Set.Status); changed != want {
				t.Errorf("Apply says that the status changed: %t, want %t", changed, want)
			}
			seconds := func(when time.Time) int { return int(when.Sub(nine) / time.Second) }
			got := decided{Action: d.Action, Held: d.Held, Adjusted: d.Adjusted, Owed: owed(&in.Set.Status)}
			if !d.Again.IsZero() {
				got.Again = seconds(d.Again)
			}
			if !d.MissingSince.IsZero() {
				got.Missing = seconds(d.MissingSince)
			}
			if o := in.Set.Status.OpenedAt; o != nil {
				got.Opened = seconds(o.Time)
			}
			if c := in.Set.Status.ClosedAt; c != nil {
				got.Closed = seconds(c.Time)
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("decided (-want +got):\n%s", diff)
			}

			// Decided once more, nothing is to be done.
			in.MissingSince, in.Request = d.MissingSince, breakout.Request{}
			again := decide(in)
			before = in.Set.Status.DeepCopy()
			if again.Action != breakout.DoNothing || again.Apply(in.Set, in.Now, in.Now) {
				t.Errorf("decided once more: %q", again.Action)
			}
			if diff := cmp.Diff(*before, in.Set.Status); diff != "" {
				t.Errorf("decided once more (-before +after):\n%s", diff)
			}
		})
	}
}

// A closing leaves nobody unassigned.
func TestDecideUnassigned(t *testing.T) {
	in := openInput()
	in.Set.Status.Unassigned = []person{"Eve"}
	in.Set.Spec.State = v1alpha1.DesiredClosed
	decide(in).Apply(in.Set, in.Now, in.Now)
	if u := in.Set.Status.Unassigned; len(u) > 0 {
		t.Errorf("unassigned: %v", u)
	}
}

// An opening's countdown counts from when it began.
func TestDecideTimer(t *testing.T) {
	noEnd := breakout.NoEnd(at(1).Time)
	ends := func(seconds int, duration int32) *v1alpha1.TimerStatus {
		return &v1alpha1.TimerStatus{
			EndTime: *at(seconds), DurationSeconds: duration, WarningSeconds: 30, ReturnMode: v1alpha1.ReturnAutomatic,
		}
	}
	for name, tc := range map[string]struct {
		edit func(in *breakout.Input)
		want *v1alpha1.TimerStatus
	}{
		"none": {edit: func(*breakout.Input) {}},
		"one":  {edit: func(in *breakout.Input) { lasting(in, 60) }, want: ends(61, 60)},
		"of an opening that goes on": {
			edit: func(in *breakout.Input) {
				lasting(in, 60)
				in.Set.Status.OpenedAt, in.Set.Status.ClosedAt = at(-20), at(-5)
			},
			want: ends(40, 60),
		},
		"none, and browsers had one before": {
			edit: func(in *breakout.Input) { in.Main.Status.CountdownTime = at(-3600) }, want: noEnd,
		},
		"one, and browsers had one before": {
			edit: func(in *breakout.Input) { in.Main.Status.CountdownTime = at(-3600); lasting(in, 60) },
			want: ends(61, 60),
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInput()
			in.Now = at(1).Time.Add(400 * time.Millisecond)
			tc.edit(&in)
			decide(in).Apply(in.Set, in.Now, in.Now)
			if diff := cmp.Diff(tc.want, in.Set.Status.Timer); diff != "" {
				t.Errorf("countdown (-want +got):\n%s", diff)
			}
		})
	}
}

// movingTo has people be on their way to any room, until so many seconds after nine.
func movingTo(seconds int) map[room]time.Time { return map[room]time.Time{"": at(seconds).Time} }

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

// directed is a scene that was once found to go wrong.
type directed struct {
	// lasting is the duration of the set, in seconds; 0 for none.
	lasting int32
	// join changes how everybody joins.
	join func(*Joining)
	// happens is what happens when everybody is in their room.
	happens func(*World)
	// today is how today's operator breaks a rule: part of the text. Empty where it breaks none. A scene that is mended has none from then on.
	today string
}

func behind(d time.Duration) func(*Joining) { return func(j *Joining) { j.ClockBehind = d } }

func connecting(d time.Duration) func(*Joining) { return func(j *Joining) { j.Connect = d } }

// end is when the set's time is up.
func (w *World) end() time.Time { return w.Set("groups").Status.ClosesAt.Time }

func closeSet(w *World) {
	w.EditSet("groups", func(set *v1alpha1.BreakoutSet) { set.Spec.State = v1alpha1.DesiredClosed })
}

// timeIsUp waits until everybody is back.
func timeIsUp(w *World) { w.Pass(time.Until(w.end()) + time.Minute) }

// closedBefore closes the set some time before its end, while something fails.
func closedBefore(d time.Duration, judge func(w *World, op *Operation) Verdict) func(*World) {
	return func(w *World) {
		w.Pass(time.Until(w.end().Add(-d)))
		w.options.Judge = func(op *Operation) Verdict { return judge(w, op) }
		closeSet(w)
		w.Pass(3 * time.Minute)
	}
}

func nothing(*World, *Operation) Verdict { return Verdict{} }

// outageFor has the vendor fail for some time from now on.
func outageFor(d time.Duration) func(*World, *Operation) Verdict {
	var until time.Time
	return func(_ *World, op *Operation) Verdict {
		if until.IsZero() {
			until = time.Now().Add(d)
		}
		if op.Vendor && time.Now().Before(until) {
			return Verdict{Fault: simulator.Fault{Kind: simulator.FaultStatus}}
		}
		return Verdict{}
	}
}

// downFor has the operator die at its next call, and stay away for some time.
func downFor(d time.Duration) func(*World, *Operation) Verdict {
	return func(w *World, op *Operation) Verdict {
		if !op.Vendor || op.Operator.Number > 1 {
			return Verdict{}
		}
		w.options.Down = func() time.Duration { return d }
		return Verdict{Kill: Before}
	}
}

// failsOnce has the first operation whose key has a text in it fail.
func failsOnce(text string, v Verdict) func(*World, *Operation) Verdict {
	done := false
	return func(_ *World, op *Operation) Verdict {
		if done || !strings.Contains(op.Key, text) {
			return Verdict{}
		}
		done = true
		return v
	}
}

func moveTo(placements ...string) func(*World) {
	return func(w *World) {
		w.EditSet("groups", WithPlacements(placements...))
		w.Until(long, w.Opened)
		w.Pass(30 * time.Second)
	}
}

// scenes are the scenes by name.
var scenes = func() map[string]directed {
	all := map[string]directed{
		"a countdown is withdrawn": {lasting: 300, happens: func(w *World) {
			w.Pass(30 * time.Second)
			w.EditSet("groups", Lasting(0))
			w.Pass(time.Minute)
		}},
		"a countdown is withdrawn, clocks 1.5 s behind": {lasting: 300, today: "the countdown was cleared while it ran", join: behind(1500 * time.Millisecond), happens: func(w *World) {
			w.Pass(30 * time.Second)
			w.EditSet("groups", Lasting(0))
			w.Pass(time.Minute)
		}},
		"closed 4 s before the end, and a signal is answered too late": {lasting: 60, happens: closedBefore(4*time.Second,
			failsOnce("groups-blue signal count-down-timer", Verdict{Fault: simulator.Fault{Kind: simulator.FaultSilence}}))},
		"a room is added, and everybody stays": {happens: func(w *World) {
			moveTo("Ada=blue", "Ben=blue")(w)
			w.EditSet("groups", automatic)
			w.Until(long, w.Opened)
			ada, ben := w.People["Ada"].Page.Changes(), w.People["Ben"].Page.Changes()
			w.EditSet("groups", WithRooms("red", "blue", "green"))
			w.Until(long, w.openedWith("red blue green"))
			w.Pass(time.Minute)
			if w.People["Ada"].Page.Changes() != ada || w.People["Ben"].Page.Changes() != ben {
				w.violated("people were moved since a room was added")
			}
		}},
		"the vendor is out for a minute while somebody is moved": {happens: func(w *World) {
			judge := outageFor(time.Minute)
			w.options.Judge = func(op *Operation) Verdict { return judge(w, op) }
			moveTo("Ada=blue", "Ben=red")(w)
		}},
		"the vendor is out for three minutes while an empty room is removed": {happens: func(w *World) {
			w.EditSet("groups", WithRooms("red", "blue", "green"))
			w.Until(long, w.openedWith("red blue green"))
			judge := outageFor(3 * time.Minute)
			w.options.Judge = func(op *Operation) Verdict { return judge(w, op) }
			w.EditSet("groups", WithRooms("red", "blue"))
			w.Pass(20 * time.Minute)
		}},
		"another set waits until the first one is closed": {happens: func(w *World) {
			w.Create(NewSet(WithRooms("north", "south"), WithPlacements("Ada=north", "Ben=north"), func(set *v1alpha1.BreakoutSet) { set.Name = "others" }))
			w.Pass(time.Minute)
			w.JudgePlaces()
			closeSet(w)
			w.Until(long, func() error { return IsReady(w.Set("others")) })
			w.Pass(30 * time.Second)
		}},
		"a page is loaded anew": {today: "Ada is connected to [class] and belongs to groups-red", happens: func(w *World) {
			w.Reload("Ada")
			w.People["Ada"].Unaware = false
			w.Pass(time.Minute)
		}},
		"an edit comes while a move is on its way": {today: "was sent the same move 2 times", happens: func(w *World) {
			late := failsOnce("signal participantMoved", Verdict{Fault: simulator.Fault{Delay: 100 * time.Millisecond}})
			w.options.Judge = func(op *Operation) Verdict { return late(w, op) }
			w.EditSet("groups", WithPlacements("Ada=blue", "Ben=red"))
			w.At(50*time.Millisecond, "", func() {
				w.EditSet("groups", func(set *v1alpha1.BreakoutSet) { set.Spec.CloseGraceSeconds = new(int32(11)) })
			})
			w.Pass(time.Minute)
			for room, sent := range w.sent() {
				moves := 0
				for _, u := range sent {
					if strings.Contains(u.data, "participantMoved") {
						moves++
					}
				}
				if moves > 1 {
					w.violated("%s was sent the same move %d times", room, moves)
				}
			}
		}},
		"the vendor is out for three minutes while somebody is moved": {today: "Ada is connected to [groups-red] and belongs to groups-blue", happens: func(w *World) {
			judge := outageFor(3 * time.Minute)
			w.options.Judge = func(op *Operation) Verdict { return judge(w, op) }
			w.EditSet("groups", WithPlacements("Ada=blue", "Ben=red"))
			w.Pass(20 * time.Minute)
		}},
	}
	for _, d := range []time.Duration{500, 1000, 1500, 2000, 2500, 3000} {
		s := directed{join: connecting(d * time.Millisecond), happens: func(w *World) {
			moveTo("Ada=main", "Ben=main")(w)
			w.EditSet("groups", WithPlacements("Ada=red", "Ben=red"))
			w.Pass(2 * time.Second)
			moveTo("Ada=blue", "Ben=blue")(w)
		}}
		if d >= 1000 {
			s.today = "and belongs to groups-blue"
		}
		all[fmt.Sprintf("sent to one room and two seconds later to another, connecting takes %d ms", d)] = s
	}
	for _, d := range []time.Duration{-30, -10, -3, -1, 0, 1, 3, 10} {
		for _, mode := range []v1alpha1.ReturnMode{v1alpha1.ReturnAutomatic, v1alpha1.ReturnManual} {
			all[fmt.Sprintf("time is up, clocks %d s behind, return %s", d, mode)] = directed{lasting: 60, join: behind(d * time.Second), happens: func(w *World) {
				w.EditSet("groups", func(set *v1alpha1.BreakoutSet) { set.Spec.ReturnMode = mode })
				if mode == v1alpha1.ReturnManual {
					w.Pass(time.Until(w.end().Add(9 * time.Second))) // of ten
					if w.roomOf(w.People["Ada"].Page.Session()) == "class" {
						w.violated("Ada was called back before she had the time to come back herself")
					}
				}
				timeIsUp(w)
			}}
		}
	}
	for _, d := range []time.Duration{100, 300, 500, 700, 900, 1100, 1500, 2000, 3000, 4000, 6000, 8000} {
		all[fmt.Sprintf("closed %d ms before the end", d)] = directed{lasting: 60, happens: closedBefore(d*time.Millisecond, nothing)}
	}
	for _, d := range []time.Duration{10, 14, 18, 21, 30} {
		all[fmt.Sprintf("closed 20 s before the end, the vendor is out for %d s", d)] = directed{lasting: 60, happens: closedBefore(20*time.Second, outageFor(d*time.Second))}
		all[fmt.Sprintf("closed 20 s before the end, the operator is down for %d s", d)] = directed{lasting: 60, happens: closedBefore(20*time.Second, downFor(d*time.Second))}
	}
	return all
}()

// TestDirected plays the scenes that were once found to go wrong. Those that today's operator does not master are expected to go wrong as they do: who
// mends one takes its fault from the table.
func TestDirected(t *testing.T) {
	for name, s := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := Run(t, Options{Seed: 1, Trace: traceOf()}, func(w *World) {
				accountReady(w)
				w.Create(NewRoom("class"))
				w.Until(long, func() error { return IsReady(w.Room("class")) })
				if s.join == nil {
					s.join = func(*Joining) {}
				}
				w.JoinAll("class", s.join)
				w.Create(NewSet(Lasting(s.lasting)))
				w.Until(long, w.Opened)
				w.Pass(12 * time.Second)
				s.happens(w)
				w.JudgePlaces()
				w.JudgeConditions()
				w.JudgeHaste()
			})
			all := strings.Join(w.Violations(), "; ")
			switch {
			case s.today == "" && all != "":
				t.Error(all)
			case s.today != "" && all == "":
				t.Errorf("it is mended: this is not so any more: %s", s.today)
			case !strings.Contains(all, s.today):
				t.Errorf("it goes wrong in another way than %q: %s", s.today, all)
			}
		})
	}
}

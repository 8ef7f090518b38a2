// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// directed is a scene that was once found to go wrong.
type directed struct {
	// lasting is the duration of the set, in seconds; 0 for none.
	lasting int32
	// join changes how everybody joins.
	join func(*Joining)
	// happens is what happens when everybody is in their room.
	happens func(*World)
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
		w.EditSet("groups", fixture.Placed(placements...))
		w.Until(long, w.Opened)
		w.Pass(30 * time.Second)
	}
}

// movesSent is how often each room was sent who moves.
func (w *World) movesSent() map[string]int {
	moves := map[string]int{}
	for room, sent := range w.sent() {
		for _, u := range sent {
			if strings.Contains(u.data, "participantMoved") {
				moves[room]++
			}
		}
	}
	return moves
}

// scenes are the scenes by name.
var scenes = func() map[string]directed {
	all := map[string]directed{
		"a countdown is withdrawn": {lasting: 300, happens: func(w *World) {
			w.Pass(30 * time.Second)
			w.EditSet("groups", fixture.Lasting(0))
			w.Pass(time.Minute)
		}},
		"a countdown is withdrawn, clocks 1.5 s behind": {
			lasting: 300,
			join:    behind(1500 * time.Millisecond),
			happens: func(w *World) {
				w.Pass(30 * time.Second)
				w.EditSet("groups", fixture.Lasting(0))
				w.Pass(time.Minute)
			},
		},
		"closed 4 s before the end, and a signal is answered too late": {
			lasting: 60,
			happens: closedBefore(
				4*time.Second,
				failsOnce(
					"groups-blue signal count-down-timer",
					Verdict{Fault: simulator.Fault{Kind: simulator.FaultSilence}},
				),
			),
		},
		"a room is added, and everybody stays": {happens: func(w *World) {
			moveTo("Ada=blue", "Ben=blue")(w)
			w.EditSet("groups", automatic)
			w.Until(long, w.Opened)
			ada, ben := w.People["Ada"].Page.Changes(), w.People["Ben"].Page.Changes()
			w.EditSet("groups", fixture.Rooms("red", "blue", "green"))
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
			w.EditSet("groups", fixture.Rooms("red", "blue", "green"))
			w.Until(long, w.openedWith("red blue green"))
			judge := outageFor(3 * time.Minute)
			w.options.Judge = func(op *Operation) Verdict { return judge(w, op) }
			w.EditSet("groups", fixture.Rooms("red", "blue"))
			w.Pass(20 * time.Minute)
		}},
		"another set waits until the first one is closed": {happens: func(w *World) {
			w.Create(
				NewSet(
					fixture.Rooms("north", "south"),
					fixture.Placed("Ada=north", "Ben=north"),
					func(set *v1alpha1.BreakoutSet) { set.Name = "others" },
				),
			)
			w.Pass(time.Minute)
			w.JudgePlaces()
			closeSet(w)
			w.Until(long, func() error { return IsReady(w.Set("others")) })
			w.Pass(30 * time.Second)
		}},
		"a page is loaded anew": {happens: func(w *World) {
			w.Reload("Ada")
			w.People["Ada"].Unaware = false
			w.Pass(time.Minute)
		}},
		"an edit comes while a move is on its way": {happens: func(w *World) {
			w.Until(long, w.Quiet)
			before := w.movesSent()
			late := failsOnce("signal participantMoved", Verdict{Fault: simulator.Fault{Delay: 100 * time.Millisecond}})
			w.options.Judge = func(op *Operation) Verdict { return late(w, op) }
			w.EditSet("groups", fixture.Placed("Ada=blue", "Ben=red"))
			w.At(50*time.Millisecond, "", func() {
				w.EditSet("groups", func(set *v1alpha1.BreakoutSet) { set.Spec.CloseGraceSeconds = new(int32(11)) })
			})
			w.Pass(8 * time.Second)
			for room, n := range w.movesSent() {
				if n-before[room] > 1 {
					w.violated("%s was sent the same move %d times", room, n-before[room])
				}
			}
			w.Until(long, w.Quiet)
		}},
		"a page is loaded anew long after, and its person is recalled": {happens: func(w *World) {
			w.Until(long, w.Quiet)
			w.Reload("Ada")
			w.Pass(time.Minute)
			if is := w.roomOf(w.People["Ada"].Page.Session()); is != "class" {
				w.violated("Ada is in %s without having been called there", is)
			}
			w.Create(&v1alpha1.RoomSignal{ObjectMeta: metav1.ObjectMeta{Name: "recall"}, Spec: v1alpha1.RoomSignalSpec{
				BreakoutSetRef: &v1alpha1.LocalObjectReference{
					Name: "groups",
				},
				Recall: &v1alpha1.Recall{Participants: []v1alpha1.ParticipantName{"Ada", "Ben"}},
			}})
			w.Until(long, func() error { return IsReady(Get(w, &v1alpha1.RoomSignal{}, "recall")) })
			ben := w.People["Ben"].Page.Changes()
			w.Until(long, w.Quiet)
			w.People["Ada"].Unaware = false
			if w.People["Ben"].Page.Changes() != ben {
				w.violated("Ben was moved, who was where he belongs")
			}
		}},
		"a page is loaded anew long after, and everything is sent again": {happens: func(w *World) {
			w.Until(long, w.Quiet)
			w.Reload("Ada")
			w.Pass(time.Minute)
			w.EditSet("groups", func(set *v1alpha1.BreakoutSet) {
				metav1.SetMetaDataAnnotation(&set.ObjectMeta, v1alpha1.ResendAnnotation, "1")
			})
			w.Pass(time.Second)
			w.Until(long, w.Quiet)
			w.People["Ada"].Unaware = false
		}},
		"somebody is moved ten times in ten seconds": {join: connecting(3 * time.Second), happens: func(w *World) {
			w.EditSet("groups", fixture.Rooms("red", "blue", "green"))
			w.Until(long, w.openedWith("red blue green"))
			w.Until(long, w.Quiet)
			before := w.People["Ada"].Page.Changes()
			for i := range 10 {
				w.EditSet("groups", fixture.Placed("Ada="+[]string{"blue", "green", "main", "red"}[i%4], "Ben=blue"))
				w.Pass(time.Second)
			}
			w.Until(long, w.Quiet)
			if n := w.People["Ada"].Page.Changes() - before; n > 2 {
				w.violated("Ada changed rooms %d times", n)
			}
		}},
		"an edit every 50 ms for a minute": {happens: func(w *World) {
			for i := range 1200 {
				w.EditSet(
					"groups",
					fixture.Placed("Ada="+[]string{"blue", "red"}[i%2], "Ben="+[]string{"red", "blue", "main"}[i%3]),
				)
				w.Pass(50 * time.Millisecond)
			}
			w.Until(long, w.Quiet)
		}},
		"people are swapped, and then the rooms' names": {happens: func(w *World) {
			moveTo("Ada=blue", "Ben=red")(w)
			w.EditSet("groups", fixture.Rooms("red=Left", "blue=Right"))
			w.Until(long, w.Opened)
			w.EditSet("groups", fixture.Rooms("red=Right", "blue=Left"))
			w.Until(long, w.Opened)
			w.EditSet("groups", fixture.Rooms("red=Right"), fixture.Placed("Ada=red", "Ben=red"))
			w.Until(long, w.openedWith("red"))
			w.Until(long, w.Quiet)
		}},
		"everybody is moved to main while the time runs out": {
			lasting: 60,
			join:    connecting(3 * time.Second),
			happens: func(w *World) {
				w.Pass(time.Until(w.end().Add(-4 * time.Second)))
				w.EditSet("groups", fixture.Placed("Ada=main", "Ben=main"))
				timeIsUp(w)
			},
		},
		"a room goes and comes back at once": {happens: func(w *World) {
			w.EditSet("groups", fixture.Rooms("red"), fixture.Placed("Ada=red"))
			w.Pass(50 * time.Millisecond)
			w.EditSet("groups", fixture.Rooms("red", "blue"), fixture.Placed("Ada=red", "Ben=blue"))
			w.Until(long, w.openedWith("red blue"))
			w.Until(long, w.Quiet)
		}},
		"the vendor is out for an hour while somebody is moved": {happens: func(w *World) {
			judge := outageFor(time.Hour)
			w.options.Judge = func(op *Operation) Verdict { return judge(w, op) }
			w.EditSet("groups", fixture.Placed("Ada=blue", "Ben=red"))
			for range 55 {
				w.Pass(time.Minute)
				if w.Opened() == nil {
					w.violated("the set is Ready though nobody was sent anything")
				}
			}
			w.Pass(10 * time.Minute)
		}},
		"the vendor is out for three minutes while somebody is moved": {happens: func(w *World) {
			judge := outageFor(3 * time.Minute)
			w.options.Judge = func(op *Operation) Verdict { return judge(w, op) }
			w.EditSet("groups", fixture.Placed("Ada=blue", "Ben=red"))
			w.Pass(20 * time.Minute)
		}},
	}
	for _, d := range []time.Duration{500, 1000, 1500, 2000, 2500, 3000} {
		s := directed{join: connecting(d * time.Millisecond), happens: func(w *World) {
			moveTo("Ada=main", "Ben=main")(w)
			w.EditSet("groups", fixture.Placed("Ada=red", "Ben=red"))
			w.Pass(2 * time.Second)
			moveTo("Ada=blue", "Ben=blue")(w)
		}}
		all[fmt.Sprintf("sent to one room and two seconds later to another, connecting takes %d ms", d)] = s
	}
	for _, d := range []time.Duration{-30, -10, -3, -1, 0, 1, 3, 10} {
		for _, mode := range []v1alpha1.ReturnMode{v1alpha1.ReturnAutomatic, v1alpha1.ReturnManual} {
			all[fmt.Sprintf("time is up, clocks %d s behind, return %s", d, mode)] = directed{
				lasting: 60,
				join:    behind(d * time.Second),
				happens: func(w *World) {
					w.EditSet("groups", func(set *v1alpha1.BreakoutSet) { set.Spec.ReturnMode = mode })
					if mode == v1alpha1.ReturnManual {
						w.Pass(time.Until(w.end().Add(9 * time.Second))) // of ten
						if w.roomOf(w.People["Ada"].Page.Session()) == "class" {
							w.violated("Ada was called back before she had the time to come back herself")
						}
					}
					timeIsUp(w)
				},
			}
		}
	}
	for _, d := range []time.Duration{100, 300, 500, 700, 900, 1100, 1500, 2000, 3000, 4000, 6000, 8000} {
		all[fmt.Sprintf("closed %d ms before the end", d)] = directed{
			lasting: 60,
			happens: closedBefore(d*time.Millisecond, nothing),
		}
	}
	for _, d := range []time.Duration{10, 14, 18, 21, 30} {
		all[fmt.Sprintf("closed 20 s before the end, the vendor is out for %d s", d)] = directed{
			lasting: 60,
			happens: closedBefore(20*time.Second, outageFor(d*time.Second)),
		}
		all[fmt.Sprintf("closed 20 s before the end, the operator is down for %d s", d)] = directed{
			lasting: 60,
			happens: closedBefore(20*time.Second, downFor(d*time.Second)),
		}
	}
	return all
}()

// TestDirected plays the scenes that were once found to go wrong.
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
				w.Create(NewSet(fixture.Lasting(s.lasting)))
				w.Until(long, w.Opened)
				w.Pass(12 * time.Second)
				s.happens(w)
				w.JudgePlaces()
				w.JudgeConditions()
				w.JudgeHaste()
			})
			for _, v := range w.Violations() {
				t.Error(v)
			}
		})
	}
}

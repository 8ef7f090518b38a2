// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// protocol are scenes of what the sample app's page needs beside being sent to the right room.
var protocol = map[string]func(*World){
	"co-hosts have their controls from the opening on": func(w *World) {
		gather(w, func(room *v1alpha1.MeetingRoom) {
			room.Spec.Participants = append(
				room.Spec.Participants,
				v1alpha1.Participant{Name: "Carl", Role: v1alpha1.RoleCoHost},
			)
		})
		w.Create(NewSet())
		w.Until(long, w.Opened)
		w.Pass(8 * time.Second)
		if !w.People["Carl"].Page.Panel() {
			w.violated("Carl is a co-host and has no controls")
		}
	},
	"no page gets the same text twice in a row": func(w *World) {
		gather(w)
		w.Create(NewSet())
		w.Until(long, w.Opened)
		w.Pass(time.Minute)
		w.EditSet("groups", fixture.Placed("Ada=blue", "Ben=red"))
		w.Pass(time.Minute)
		closeSet(w)
		w.Pass(time.Minute)
		for room, sent := range w.sent() {
			last := ""
			for _, u := range sent {
				if u.typ == "breakout-room" && u.data == last {
					w.violated("%s was sent the same twice in a row, on which pages do not act: %s", room, u.data)
				}
				if u.typ == "breakout-room" {
					last = u.data
				}
			}
		}
	},
	"an expired countdown is replaced": func(w *World) {
		gather(w)
		w.Create(NewSet(fixture.Lasting(60)))
		w.Until(long, w.Opened)
		timeIsUp(w)
		next := NewSet(fixture.Placed())
		next.Name = "second"
		w.Create(next)
		w.Pass(time.Minute)
		if w.Set("second").Status.State != v1alpha1.StateOpen {
			w.violated("the second set is %s", w.Set("second").Status.State)
		}
		if n := w.People["Host"].Page.Deletions(); n > 0 {
			w.violated("the host's page asked to delete the rooms, %d times", n)
		}
	},
	"what a session is owed outlives an edit": func(w *World) {
		gather(w)
		w.Create(NewSet())
		w.Until(long, w.Opened)
		w.Pass(time.Minute)
		judge := outageFor(20 * time.Second)
		w.options.Judge = func(op *Operation) Verdict { return judge(w, op) }
		w.EditRoom("class", func(room *v1alpha1.MeetingRoom) { room.Spec.Participants[1].Role = v1alpha1.RoleCoHost })
		w.Pass(5 * time.Second)
		w.EditSet("groups", fixture.Rooms("red", "blue/4"))
		w.Pass(2 * time.Minute)
		if !w.People["Ada"].Page.Panel() {
			w.violated("Ada was made co-host and has no controls")
		}
	},
	"people go by the name that they were sent to": func(w *World) {
		gather(w)
		for _, p := range []string{"Ada", "Ben"} {
			j := w.People[p].Joining
			j.FreshList = true
			w.Join(j)
		}
		w.Create(NewSet())
		w.Until(long, w.Opened)
		w.Pass(time.Second)
		w.EditSet("groups", fixture.Rooms("red=Crimson", "blue=Navy"))
		w.Pass(7 * time.Second)
		w.JudgePlaces()
		w.Pass(time.Minute)
	},
	"who is on the move keeps the token of the room that they leave": func(w *World) {
		gather(w)
		w.Create(NewSet())
		w.Until(long, w.Opened)
		w.Pass(time.Minute)
		held := func() bool {
			return slices.ContainsFunc(
				w.Room("groups-red").Status.Tokens,
				func(t v1alpha1.ParticipantToken) bool { return t.Participant == "Ada" },
			)
		}
		w.EditSet("groups", fixture.Placed("Ada=blue", "Ben=blue"))
		w.Pass(25 * time.Second)
		if !held() {
			w.violated("Ada is on the move and has no token any more for the room that she leaves")
		}
		w.Pass(time.Minute)
		if held() {
			w.violated("Ada has left for good and still has a token")
		}
	},
}

// gather has the class meet, each with a page that knows of no co-hosts: it learns from signals alone who leads.
func gather(w *World, changes ...func(*v1alpha1.MeetingRoom)) {
	accountReady(w)
	room := NewRoom("class")
	for _, change := range changes {
		change(room)
	}
	w.Create(room)
	w.Until(long, func() error { return IsReady(w.Room("class")) })
	w.JoinAll("class", func(j *Joining) {
		if j.Role == v1alpha1.RoleCoHost {
			j.Role = v1alpha1.RoleParticipant
		}
	})
}

// TestProtocol plays the scenes of the protocol.
func TestProtocol(t *testing.T) {
	for name, scene := range protocol {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := Run(t, Options{Seed: 1, Trace: traceOf()}, func(w *World) {
				scene(w)
				w.JudgePlaces()
				w.JudgeConditions()
			})
			for _, v := range w.Violations() {
				t.Error(v)
			}
		})
	}
}

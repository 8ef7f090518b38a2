// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

var (
	roomNames    = []room{"red", "blue", "green", "gold"}
	displayNames = []string{"", "Red", "Blue", "red", "Algebra", "Team <1> & 组"}
)

// edit is one thing that somebody does to the meeting or the set.
type edit struct {
	weight int
	do     func(w *world)
}

// durations are for how many seconds a set may be open; 0 for ever.
var durations = []int32{0, 20, 45, 60, 90, 3600}

var edits = map[string]edit{
	"add room": {4, func(w *world) {
		name := rapid.SampledFrom(roomNames).Draw(w.t, "room")
		if slices.ContainsFunc(w.set.Spec.Rooms, func(r v1alpha1.BreakoutRoomSpec) bool { return r.Name == name }) {
			return
		}
		spec := v1alpha1.BreakoutRoomSpec{Name: name, DisplayName: rapid.SampledFrom(displayNames).Draw(w.t, "display name")}
		if limit := rapid.Int32Range(0, 3).Draw(w.t, "limit"); limit > 0 {
			spec.MaxParticipants = &limit
		}
		at := rapid.IntRange(0, len(w.set.Spec.Rooms)).Draw(w.t, "at")
		w.set.Spec.Rooms = slices.Insert(slices.Clone(w.set.Spec.Rooms), at, spec)
	}},
	"remove room": {4, func(w *world) {
		if i, ok := w.someRoom(); ok {
			w.set.Spec.Rooms = slices.Delete(slices.Clone(w.set.Spec.Rooms), i, i+1)
		}
	}},
	"remove all rooms": {1, func(w *world) { w.set.Spec.Rooms = nil }},
	"rename room": {4, func(w *world) {
		if i, ok := w.someRoom(); ok {
			w.set.Spec.Rooms = slices.Clone(w.set.Spec.Rooms)
			w.set.Spec.Rooms[i].DisplayName = rapid.SampledFrom(displayNames).Draw(w.t, "display name")
		}
	}},
	"swap names": {1, func(w *world) {
		i, ok := w.someRoom()
		if j, _ := w.someRoom(); ok && i != j {
			w.set.Spec.Rooms = slices.Clone(w.set.Spec.Rooms)
			r, s := &w.set.Spec.Rooms[i], &w.set.Spec.Rooms[j]
			r.DisplayName, s.DisplayName = s.DisplayName, r.DisplayName
		}
	}},
	"resize room": {2, func(w *world) {
		if i, ok := w.someRoom(); ok {
			w.set.Spec.Rooms = slices.Clone(w.set.Spec.Rooms)
			w.set.Spec.Rooms[i].MaxParticipants = new(rapid.Int32Range(0, 3).Draw(w.t, "limit"))
		}
	}},
	"place": {6, func(w *world) {
		p, ok := w.somebody()
		if !ok {
			return
		}
		a := w.assignment()
		a.Placements = slices.DeleteFunc(a.Placements, func(q v1alpha1.Placement) bool { return q.Participant == p.Name })
		to := rapid.SampledFrom(append([]room{"", "main"}, roomNames...)).Draw(w.t, "to")
		if to != "" {
			a.Placements = append(a.Placements, v1alpha1.Placement{Participant: p.Name, Room: to})
		}
		w.set.Spec.Assignment = a
	}},
	"mode": {1, func(w *world) {
		a := w.assignment()
		a.Mode = rapid.SampledFrom([]v1alpha1.BreakoutSetMode{v1alpha1.ModeAutomatic, v1alpha1.ModeManual, v1alpha1.ModeChoose}).Draw(w.t, "mode")
		w.set.Spec.Assignment = a
	}},
	"come": {2, func(w *world) {
		name := person(fmt.Sprintf("Eve %d", len(w.seats)+len(w.left)))
		if len(w.seats) < 9 {
			w.main.Spec.Participants = append(slices.Clone(w.main.Spec.Participants), v1alpha1.Participant{Name: name})
			w.join(name, v1alpha1.RoleParticipant)
		}
	}},
	"leave": {1, func(w *world) {
		if p, ok := w.somebody(); ok {
			w.main.Spec.Participants = slices.DeleteFunc(slices.Clone(w.main.Spec.Participants), func(q v1alpha1.Participant) bool { return q.Name == p.Name })
			w.left = append(w.left, w.seats[p.Name])
			delete(w.seats, p.Name)
		}
	}},
	"promote": {2, func(w *world) {
		if p, ok := w.somebody(); ok && p.Name != "Host" {
			roles := []v1alpha1.ParticipantRole{v1alpha1.RoleHost, v1alpha1.RoleCoHost, v1alpha1.RoleParticipant, v1alpha1.RoleViewer}
			w.main.Spec.Participants = slices.Clone(w.main.Spec.Participants)
			for i := range w.main.Spec.Participants {
				if w.main.Spec.Participants[i].Name == p.Name {
					w.main.Spec.Participants[i].Role = rapid.SampledFrom(roles).Draw(w.t, "role")
				}
			}
		}
	}},
	"time": {3, func(w *world) {
		if t := w.set.Status.Timer; t != nil && w.now.After(t.EndTime.Add(-3*time.Second)) {
			return // too late: browsers may have begun to go back
		}
		w.set.Spec.DurationSeconds = nil
		if d := rapid.SampledFrom(durations).Draw(w.t, "duration"); d > 0 && (!w.rough || d > 600) { // browsers go by the clock, whether they have heard all or not
			w.set.Spec.DurationSeconds = &d
		}
		w.set.Spec.WarningSeconds = new(rapid.SampledFrom([]int32{0, 5, 60}).Draw(w.t, "warning"))
		w.set.Spec.ReturnMode = rapid.SampledFrom([]v1alpha1.ReturnMode{v1alpha1.ReturnAutomatic, v1alpha1.ReturnManual}).Draw(w.t, "return")
	}},
	"open or close": {3, func(w *world) {
		if w.set.Spec.State == v1alpha1.DesiredClosed {
			w.set.Spec.State = v1alpha1.DesiredOpen
		} else {
			w.set.Spec.State = v1alpha1.DesiredClosed
		}
	}},
	"open later": {1, func(w *world) {
		at := metav1.NewTime(w.now.Add(rapid.SampledFrom([]time.Duration{-time.Minute, 3 * time.Second, 30 * time.Second}).Draw(w.t, "open at")).Truncate(time.Second))
		w.set.Spec.OpenAt = &at
	}},
	"resend": {1, func(w *world) { w.asked++ }},
	"die": {2, func(w *world) {
		if w.rough {
			w.die(rapid.SampledFrom([]time.Duration{0, time.Second, 4 * time.Second, 20 * time.Second}).Draw(w.t, "down for"))
		}
	}},
	"lose room": {1, func(w *world) {
		if i, ok := w.someRoom(); ok {
			w.lost = true
			delete(w.children, w.set.Spec.Rooms[i].Name)
			delete(w.doomed, w.set.Spec.Rooms[i].Name)
		}
	}},
}

func (w *world) someRoom() (int, bool) {
	if len(w.set.Spec.Rooms) == 0 {
		return 0, false
	}
	return rapid.IntRange(0, len(w.set.Spec.Rooms)-1).Draw(w.t, "room"), true
}

func (w *world) somebody() (v1alpha1.Participant, bool) {
	if len(w.main.Spec.Participants) == 0 {
		return v1alpha1.Participant{}, false
	}
	return rapid.SampledFrom(w.main.Spec.Participants).Draw(w.t, "who"), true
}

func (w *world) assignment() *v1alpha1.AssignmentSpec {
	if w.set.Spec.Assignment == nil {
		return &v1alpha1.AssignmentSpec{}
	}
	return w.set.Spec.Assignment.DeepCopy()
}

// allKinds are the edits' names, each as often as it weighs.
func allKinds() []string {
	var all []string
	for name, e := range edits {
		all = append(all, slices.Repeat([]string{name}, e.weight)...)
	}
	slices.Sort(all)
	return all
}

// pauses are how long people wait between two edits.
var pauses = []time.Duration{
	0, time.Millisecond, 100 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5500 * time.Millisecond,
	6 * time.Second, 7 * time.Second, 20 * time.Second, 70 * time.Second,
}

// Everybody ends up where the planned view says, connected once, with a page that works, having changed rooms no more often than they were
// assigned elsewhere, whatever was edited when.
func TestClientsFollowThePlan(t *testing.T) {
	for i := range 30 { // times as many checks as rapid.checks says: most do not come near a trap
		t.Run(strconv.Itoa(i), func(t *testing.T) { rapid.Check(t, checkMeeting) })
	}
}

func FuzzClientsFollowThePlan(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkMeeting)) }

var kinds = allKinds()

// checkMeeting is one meeting with random edits.
func checkMeeting(t *rapid.T) {
	w := newWorld(t)
	for _, p := range []v1alpha1.Participant{
		{Name: "Host", Role: v1alpha1.RoleHost}, {Name: "Co", Role: v1alpha1.RoleCoHost}, {Name: "Ada"}, {Name: "Bob"}, {Name: "Cyd"}, {Name: "Dan"},
	} {
		w.main.Spec.Participants = append(w.main.Spec.Participants, p)
		w.join(p.Name, p.Role)
	}
	w.set.Spec.Rooms = []v1alpha1.BreakoutRoomSpec{{Name: "red", DisplayName: "Red"}, {Name: "blue"}}
	w.reconcile()
	w.run(10 * time.Second)
	for range rapid.IntRange(1, 10).Draw(t, "edits") {
		kind := rapid.SampledFrom(kinds).Draw(t, "edit")
		edits[kind].do(w)
		w.logf("edit: %s: %s", kind, asJSON(w.set.Spec))
		w.after(w.upTo(5*time.Millisecond), w.reconcile)
		w.run(rapid.SampledFrom(pauses).Draw(t, "pause"))
		if w.quiet() {
			w.check()
		}
	}
	w.run(2 * time.Minute)
	for i := 0; i < 20 && !w.quiet(); i++ { // the time may just have been up
		w.run(3 * time.Second)
	}
	if !w.quiet() {
		w.failf("never at rest: %s", asJSON(w.set.Status.Signals))
	}
	w.check()
}

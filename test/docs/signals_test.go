// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/internal/sampleapp"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// lesson is the meeting that the documents' signals come from: what its set is asked to be, and what everybody was
// sent.
type lesson struct {
	main     *v1alpha1.MeetingRoom
	set      *v1alpha1.BreakoutSet
	delivery sampleapp.Delivery
	minute   time.Time // of the last edit
	sent     []string  // data of the signals to all sessions, in order
}

func newLesson() *lesson {
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	l := &lesson{minute: start}
	l.main = fixture.MeetingRoom("algebra-101",
		fixture.Participants("Ms Jones=Host", "Ben=CoHost", "Ada", "Luis", "Mia", "Noor"))
	l.main.Spec.DisplayName, l.main.Status.SessionID = "Algebra 101", "1_MAIN"
	l.set = fixture.In("school", fixture.BreakoutSet("groups", "algebra-101",
		fixture.Rooms("red=Red team/5", "blue"), fixture.Assigned("", "Ben=blue"), fixture.Lasting(900)))
	l.set.UID, l.set.CreationTimestamp = "0b6f4c0e-7a3f-4f0e-9c55-8d1c2b1f6a10", metav1.NewTime(start)
	return l
}

// decide does what the set needs, with every room ready, and delivers it.
func (l *lesson) decide() {
	st, rooms := &l.set.Status, breakout.RoomsOf(&l.set.Spec)
	in := breakout.Input{
		Set: l.set, Schedule: breakout.ScheduleOf(l.set, l.minute), Now: l.minute, Main: l.main, Rooms: rooms,
		Children: map[v1alpha1.BreakoutRoomName]breakout.Child{}, FirstMade: l.minute, Holds: true,
		Places: breakout.Assign(l.main.Spec.Participants, rooms, *l.set.Spec.Assignment, breakout.Planned(st).Places(),
			string(l.set.UID)).Places,
	}
	for _, r := range rooms {
		child := breakout.Child{
			MeetingRoomName: "groups-" + string(r.Name), SessionID: "1_" + strings.ToUpper(string(r.Name)), Ready: true,
			Tokens: map[v1alpha1.ParticipantName]bool{},
		}
		for _, p := range l.main.Spec.Participants {
			child.Tokens[p.Name] = true
		}
		in.Children[r.Name] = child
	}
	l.delivery.Observe(st, l.minute)
	breakout.Decide(in).Apply(l.set, l.delivery.MovingUntil(), l.minute)
	l.deliver()
}

// edit changes the spec a minute later.
func (l *lesson) edit(change func(main *v1alpha1.MeetingRoomSpec, set *v1alpha1.BreakoutSetSpec)) {
	l.minute = l.minute.Add(time.Minute)
	change(&l.main.Spec, &l.set.Spec)
	l.decide()
}

// deliver sends all that the sessions are owed, and lets the time go on where that has to wait, until the last round is
// over.
func (l *lesson) deliver() {
	source := sampleapp.Source{
		Set: l.set.Namespace + "/" + l.set.Name, UID: string(l.set.UID), MeetingRoom: l.main.Name,
	}
	nobody := func(v1alpha1.BreakoutRoomName) bool { return false }
	for st, now := &l.set.Status, l.minute; len(st.Signals.Sessions) > 0; {
		rooms, due := l.delivery.Due(st, now)
		for _, room := range rooms {
			step, _, _ := l.delivery.Next(st, room, now)
			for _, s := range sampleapp.NewComposer(source, st).Signals(room, step, now) {
				l.sent = append(l.sent, s.Data)
			}
			l.delivery.Note(st, room, step, sampleapp.Delivered, "", now)
		}
		l.delivery.Conclude(st, nobody, now)
		if len(rooms) == 0 {
			now = due
		}
	}
	breakout.ForgetRooms(&l.set.Status, func(v1alpha1.BreakoutRoomStatus) bool { return true })
}

// signals is the data of every signal that the documents may show, in the order of the story that they tell.
func signals(t *testing.T) []string {
	t.Helper()
	l := newLesson()
	l.decide()
	l.edit(func(_ *v1alpha1.MeetingRoomSpec, set *v1alpha1.BreakoutSetSpec) {
		set.Rooms = append(set.Rooms, v1alpha1.BreakoutRoomSpec{Name: "green"})
	})
	l.edit(func(_ *v1alpha1.MeetingRoomSpec, set *v1alpha1.BreakoutSetSpec) {
		set.Rooms[1].DisplayName = "Blue team"
	})
	l.edit(func(_ *v1alpha1.MeetingRoomSpec, set *v1alpha1.BreakoutSetSpec) {
		set.Assignment.Placements = append(set.Assignment.Placements, v1alpha1.Placement{
			Participant: "Ada", Room: "green",
		})
	})
	l.edit(func(_ *v1alpha1.MeetingRoomSpec, set *v1alpha1.BreakoutSetSpec) { set.Rooms = set.Rooms[1:] })
	l.edit(func(main *v1alpha1.MeetingRoomSpec, _ *v1alpha1.BreakoutSetSpec) {
		main.Participants[2].Role = v1alpha1.RoleCoHost
	})
	l.edit(func(_ *v1alpha1.MeetingRoomSpec, set *v1alpha1.BreakoutSetSpec) { set.DurationSeconds = nil })
	l.edit(func(_ *v1alpha1.MeetingRoomSpec, set *v1alpha1.BreakoutSetSpec) { set.State = v1alpha1.DesiredClosed })

	choose := newLesson()
	choose.set.Spec.Assignment = &v1alpha1.AssignmentSpec{Mode: v1alpha1.ModeChoose}
	choose.set.Spec.DurationSeconds = nil
	choose.decide()
	return slices.Concat(l.sent, choose.sent, roomSignals())
}

// roomSignals is the data of the RoomSignals that the documents show, to the main room and to room red.
func roomSignals() []string {
	l := newLesson()
	l.decide()
	targets := breakout.TargetsOf(l.set)
	var all []string
	for _, spec := range []v1alpha1.RoomSignalSpec{
		{Message: &v1alpha1.Message{From: "Ms Jones", Text: "Five minutes left"}},
		{RaiseHand: &v1alpha1.RaiseHand{Participant: "Luis", Room: "red"}},
	} {
		signal := &v1alpha1.RoomSignal{Spec: spec}
		signal.UID = "5e8a2c1d-3b0f-4a57-8f21-6c9d0e7b4a32"
		for _, target := range targets {
			all = append(all, sampleapp.RoomSignalTo(signal, target, targets, l.main.Spec.Participants).Data)
		}
	}
	return all
}

// TestSignals compares the documents' JSON with what the operator sends.
func TestSignals(t *testing.T) {
	want := signals(t)
	var shown []string
	for _, page := range readPages(t) {
		for _, block := range page.blocks("json") {
			var compact bytes.Buffer
			if err := json.Compact(&compact, []byte(block)); err != nil {
				t.Errorf("%s: a block is no JSON: %v\n%s", page.name, err, block)
				continue
			}
			shown = append(shown, compact.String())
			if !slices.Contains(want, compact.String()) {
				t.Errorf("%s shows JSON that the operator does not send:\n%s\nIt sends:\n%s", page.name,
					compact.String(), strings.Join(like(compact.String(), want), "\n"))
			}
		}
	}
	for _, kind := range []string{
		"roomCreated (automatic)", "roomCreated (chooseroom)", "roomAdded", "roomEdited", "roomRemoved",
		"allRoomRemoved", "participantMoved",
		"endTime", `"isApproved"`, `"fromRoom"`, `[{"id":"Ms Jones"`, `"period":"more than 1000"`,
	} {
		if !slices.ContainsFunc(shown, func(s string) bool { return strings.Contains(s, kind) }) {
			t.Errorf("no page shows a signal with %s", kind)
		}
	}
}

// like are those of texts that begin as text does.
func like(text string, texts []string) []string {
	beginning := text[:min(len(text), len(`{"message":"room`))]
	return slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return !strings.HasPrefix(s, beginning) })
}

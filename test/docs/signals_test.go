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
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// lesson is the meeting that the documents' signals come from: what its set was told to be, and what everybody was
// told.
type lesson struct {
	main *v1alpha1.MeetingRoom
	set  *v1alpha1.BreakoutSet
	now  time.Time
	said []string // data of the signals to the main room's session, in order
}

func newLesson() *lesson {
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	l := &lesson{now: start}
	l.main = fixture.MeetingRoom("algebra-101",
		fixture.Participants("Ms Jones=Host", "Ben=CoHost", "Ada", "Luis", "Mia", "Noor"))
	l.main.Spec.DisplayName, l.main.Status.SessionID = "Algebra 101", "1_MAIN"
	l.set = fixture.In("school", fixture.BreakoutSet("groups", "algebra-101",
		fixture.Rooms("red=Red team/5", "blue"), fixture.Assigned("", "Ben=blue"), fixture.Lasting(900)))
	l.set.UID, l.set.CreationTimestamp = "0b6f4c0e-7a3f-4f0e-9c55-8d1c2b1f6a10", metav1.NewTime(start)
	return l
}

func (l *lesson) mode() v1alpha1.BreakoutSetMode {
	if m := l.set.Spec.Assignment.Mode; m != "" {
		return m
	}
	return v1alpha1.ModeAutomatic
}

// view is what people should know, with every room ready and the rooms opened at opened.
func (l *lesson) view(opened time.Time) breakout.View {
	st, rooms := &l.set.Status, breakout.RoomsOf(&l.set.Spec)
	in := breakout.ViewInput{
		Main: l.main, Rooms: rooms, Children: map[v1alpha1.BreakoutRoomName]breakout.Child{},
		Open: breakout.IsOpen(l.set), Mode: l.mode(),
		Places: breakout.Assign(l.main.Spec.Participants, rooms, *l.set.Spec.Assignment, breakout.Planned(st).Places(),
			string(l.set.UID)).Places,
	}
	in.Timer = breakout.TimerOf(l.set, opened)
	if in.Open {
		in.Planned = breakout.Planned(st)
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
	v, _ := breakout.ViewOf(in)
	return v
}

func (l *lesson) open() {
	view := l.view(l.now)
	l.set.Status.OpenedAt = new(metav1.NewTime(l.now))
	breakout.PlanOpening(&l.set.Status, view, l.now)
	l.tell()
}

// edit changes the spec a minute later and tells what follows from that.
func (l *lesson) edit(change func(main *v1alpha1.MeetingRoomSpec, set *v1alpha1.BreakoutSetSpec)) {
	l.now = l.now.Add(time.Minute)
	change(&l.main.Spec, &l.set.Spec)
	breakout.PlanUpdate(&l.set.Status, l.view(l.set.Status.OpenedAt.Time), false, l.now)
	l.tell()
}

func (l *lesson) close() {
	l.now = l.now.Add(time.Minute)
	breakout.PlanClosing(&l.set.Status, l.now, l.now)
	l.tell()
}

// tell says all that is pending, and lets the time go on where that has to wait.
func (l *lesson) tell() {
	source := breakout.Source{Set: l.set.Namespace + "/" + l.set.Name, UID: string(l.set.UID), MeetingRoom: l.main.Name}
	for st := &l.set.Status; st.Signals.Pending != nil; {
		steps, due := breakout.NextSteps(st, l.now)
		if len(steps) == 0 {
			l.now = due
			continue
		}
		for _, step := range breakout.NewScript(source, st, steps, l.now).Signals(v1alpha1.MainRoomName) {
			for _, s := range step {
				l.said = append(l.said, s.Data)
			}
		}
		breakout.Settle(st, steps, nil, l.now)
	}
}

// signals is the data of every signal that the documents may show, in the order of the story that they tell.
func signals(t *testing.T) []string {
	t.Helper()
	l := newLesson()
	l.open()
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
	l.close()
	all := l.said

	choose := newLesson()
	choose.set.Spec.Assignment = &v1alpha1.AssignmentSpec{Mode: v1alpha1.ModeChoose}
	choose.set.Spec.DurationSeconds = nil
	choose.open()
	return slices.Concat(all, choose.said, roomSignals())
}

// roomSignals is the data of the RoomSignals that the documents show, to the main room and to room red.
func roomSignals() []string {
	l := newLesson()
	l.open()
	targets := breakout.TargetsOf(l.set)
	var all []string
	for _, spec := range []v1alpha1.RoomSignalSpec{
		{Message: &v1alpha1.Message{From: "Ms Jones", Text: "Five minutes left"}},
		{RaiseHand: &v1alpha1.RaiseHand{Participant: "Luis", Room: "red"}},
	} {
		signal := &v1alpha1.RoomSignal{Spec: spec}
		signal.UID = "5e8a2c1d-3b0f-4a57-8f21-6c9d0e7b4a32"
		for _, target := range targets {
			all = append(all, breakout.RoomSignalTo(signal, target, targets, l.main.Spec.Participants).Data)
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
		"endTime", `"isApproved"`, `"fromRoom"`, `[{"id":"Ms Jones"`, `"countDownTimer":0`,
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

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// ready is a breakout room's MeetingRoom with tokens for people.
func ready(name room, tokens ...person) breakout.Child {
	c := breakout.Child{
		MeetingRoomName: "groups-" + string(name), SessionID: "1_" + string(name), Ready: true,
		Tokens: map[person]bool{},
	}
	for _, p := range tokens {
		c.Tokens[p] = true
	}
	return c
}

type children map[room]breakout.Child

func mainOf(roster ...v1alpha1.Participant) *v1alpha1.MeetingRoom {
	m := &v1alpha1.MeetingRoom{ObjectMeta: metav1.ObjectMeta{Name: "algebra"}}
	m.Status.SessionID = "1_main"
	m.Spec.Participants = roster
	return m
}

func named(name room, displayName string) v1alpha1.BreakoutRoomSpec {
	return v1alpha1.BreakoutRoomSpec{Name: name, DisplayName: displayName}
}

func TestViewOf(t *testing.T) {
	planned := func(rooms ...v1alpha1.BreakoutRoomStatus) breakout.View {
		return breakout.Planned(
			&v1alpha1.BreakoutSetStatus{MainDisplayName: "algebra", MainSessionID: "1_main", Rooms: rooms},
		)
	}
	sized := listed("red", "red")
	sized.MaxParticipants = 4
	unready, gone := ready("red", "Ada"), ready("red", "Ada")
	sessionless, anew := ready("red", "Ada"), ready("red", "Ada")
	unready.Ready, gone.Terminating, sessionless.SessionID, anew.SessionID = false, true, "", "1_again"
	rooms := func(rooms ...v1alpha1.BreakoutRoomStatus) []v1alpha1.BreakoutRoomStatus { return rooms }
	all := children{"red": ready("red", "Ada")}
	var fiveHundred []v1alpha1.BreakoutRoomSpec
	var allListed, allLeaving []v1alpha1.BreakoutRoomStatus
	for i := range 500 {
		name := room(fmt.Sprintf("r%d", i))
		all[name] = ready(name)
		fiveHundred, allListed = append(fiveHundred, named(name, "")), append(allListed, listed(name, string(name)))
		allLeaving = append(allLeaving, leaving("old-"+name, "old "+string(name)))
	}
	for name, tc := range map[string]struct {
		roster       []v1alpha1.Participant
		display      string
		in           breakout.ViewInput
		wantName     string
		wantMain     []person
		wantRooms    []v1alpha1.BreakoutRoomStatus
		wantAdjusted []room
	}{
		"ready rooms, and who belongs there": {
			roster: people("Jo/h", "Ada", "Bob"),
			in: breakout.ViewInput{
				Rooms:    specs([]room{"red", "blue"}),
				Children: children{"red": ready("red", "Ada"), "blue": ready("blue", "Bob")},
				Places:   breakout.Places{"Ada": "red", "Bob": "blue"},
			},
			wantMain: []person{"Jo"}, wantRooms: rooms(listed("red", "red", "Ada"), listed("blue", "blue", "Bob")),
		},
		"in the spec's order, people in the roster's": {
			roster: people("Bob", "Ada"),
			in: breakout.ViewInput{
				Rooms:    specs([]room{"red", "blue"}),
				Children: children{"blue": ready("blue"), "red": ready("red", "Ada", "Bob")},
				Places:   breakout.Places{"Ada": "red", "Bob": "red"},
			},
			wantRooms: rooms(listed("red", "red", "Bob", "Ada"), listed("blue", "blue")),
		},
		"with their size": {
			in:        breakout.ViewInput{Rooms: specs([]room{"red"}, 4), Children: children{"red": ready("red")}},
			wantRooms: rooms(sized),
		},
		"a display name, of the main room too": {
			display: "Algebra 101",
			in: breakout.ViewInput{
				Rooms: []v1alpha1.BreakoutRoomSpec{named("red", "Red team")}, Children: children{"red": ready("red")},
			},
			wantName: "Algebra 101", wantRooms: rooms(listed("red", "Red team")),
		},
		"a room that is not ready is not listed, and its people are in the main room": {
			roster: people("Ada"),
			in: breakout.ViewInput{
				Rooms: specs([]room{"red"}), Children: children{"red": unready}, Places: breakout.Places{"Ada": "red"},
			},
			wantMain: []person{"Ada"},
		},
		"nor one that is not there": {
			roster:   people("Ada"),
			in:       breakout.ViewInput{Rooms: specs([]room{"red"}), Places: breakout.Places{"Ada": "red"}},
			wantMain: []person{"Ada"},
		},
		"nor one that is going": {
			in: breakout.ViewInput{
				Open: true, Planned: planned(listed("red", "red")), Rooms: specs([]room{"red"}),
				Children: children{"red": gone},
			},
		},
		"nor one without a session": {
			in: breakout.ViewInput{Rooms: specs([]room{"red"}), Children: children{"red": sessionless}},
		},
		"one that people know stays while it is not ready": {
			roster: people("Ada"),
			in: breakout.ViewInput{
				Open: true, Planned: planned(listed("red", "red", "Ada")), Rooms: specs([]room{"red"}),
				Children: children{"red": unready}, Places: breakout.Places{"Ada": "red"},
			},
			wantRooms: rooms(listed("red", "red", "Ada")),
		},
		"one that was made anew goes first, before it comes again": {
			in: breakout.ViewInput{
				Open: true, Planned: planned(listed("red", "red")), Rooms: specs([]room{"red"}),
				Children: children{"red": anew},
			},
		},
		"and while people are called out of the one before": {
			in: breakout.ViewInput{
				Open: true, Planned: planned(leaving("red", "red")), Rooms: specs([]room{"red"}),
				Children: children{"red": anew},
			},
		},
		"one that is wanted again before it was gone is listed under its name": {
			in: breakout.ViewInput{
				Open: true, Planned: planned(leaving("red", "red")), Rooms: specs([]room{"red"}),
				Children: children{"red": ready("red")},
			},
			wantRooms: rooms(listed("red", "red")),
		},
		"who has no token yet stays where they were": {
			roster: people("Ada"),
			in: breakout.ViewInput{
				Open: true, Planned: planned(listed("red", "red", "Ada"), listed("blue", "blue")),
				Rooms:    specs([]room{"red", "blue"}),
				Children: children{"red": ready("red", "Ada"), "blue": ready("blue")},
				Places:   breakout.Places{"Ada": "blue"},
			},
			wantRooms: rooms(listed("red", "red", "Ada"), listed("blue", "blue")),
		},
		"but who belongs in the main room needs none": {
			roster: people("Ada"),
			in: breakout.ViewInput{
				Open: true, Planned: planned(listed("red", "red", "Ada")), Rooms: specs([]room{"red"}),
				Children: children{"red": ready("red", "Ada")},
			},
			wantMain: []person{"Ada"}, wantRooms: rooms(listed("red", "red")),
		},
		"who left the meeting is nowhere": {
			in: breakout.ViewInput{
				Open: true, Planned: planned(listed("red", "red", "Ada")), Rooms: specs([]room{"red"}),
				Children: children{"red": ready("red", "Ada")}, Places: breakout.Places{"Ada": "red"},
			},
			wantRooms: rooms(listed("red", "red")),
		},
		"a room that is not wanted lingers while its people cannot go where they should": {
			roster: people("Ada"),
			in: breakout.ViewInput{
				Open: true, Linger: true, Planned: planned(listed("red", "red", "Ada")), Rooms: specs([]room{"blue"}),
				Children: children{"red": ready("red", "Ada"), "blue": ready("blue")},
				Places:   breakout.Places{"Ada": "blue"},
			},
			wantRooms: rooms(listed("blue", "blue"), listed("red", "red", "Ada")),
		},
		"and goes when they can": {
			roster: people("Ada"),
			in: breakout.ViewInput{
				Open: true, Linger: true, Planned: planned(listed("red", "red", "Ada"), listed("blue", "blue")),
				Rooms:    specs([]room{"blue"}),
				Children: children{"red": ready("red", "Ada"), "blue": ready("blue", "Ada")},
				Places:   breakout.Places{"Ada": "blue"},
			},
			wantRooms: rooms(listed("blue", "blue", "Ada")),
		},
		"or at once where they belong in the main room": {
			roster: people("Ada"),
			in: breakout.ViewInput{
				Open: true, Linger: true, Planned: planned(listed("red", "red", "Ada")), Rooms: specs([]room{"blue"}),
				Children: children{"red": ready("red", "Ada"), "blue": ready("blue")},
			},
			wantMain: []person{"Ada"}, wantRooms: rooms(listed("blue", "blue")),
		},
		"equal names are told apart": {
			in: breakout.ViewInput{
				Rooms: []v1alpha1.BreakoutRoomSpec{
					named("a", "Team"), named("b", "Team"), named("c", "Team"), named("d", "algebra"),
				},
				Children: children{"a": ready("a"), "b": ready("b"), "c": ready("c"), "d": ready("d")},
			},
			wantRooms: rooms(
				listed("a", "Team"), listed("b", "Team (2)"), listed("c", "Team (3)"), listed("d", "algebra (2)"),
			),
			wantAdjusted: []room{"b", "c", "d"},
		},
		"rooms keep the names that they got": {
			in: breakout.ViewInput{
				Open: true, Planned: planned(listed("a", "Team"), listed("b", "Team (2)")),
				Rooms:    []v1alpha1.BreakoutRoomSpec{named("new", "Team"), named("a", "Team"), named("b", "Team")},
				Children: children{"new": ready("new"), "a": ready("a"), "b": ready("b")},
			},
			wantRooms:    rooms(listed("new", "Team (3)"), listed("a", "Team"), listed("b", "Team (2)")),
			wantAdjusted: []room{"new", "b"},
		},
		"names are swapped": {
			in: breakout.ViewInput{
				Open: true, Planned: planned(listed("a", "One"), listed("b", "Two")),
				Rooms:    []v1alpha1.BreakoutRoomSpec{named("a", "Two"), named("b", "One")},
				Children: children{"a": ready("a"), "b": ready("b")},
			},
			wantRooms: rooms(listed("a", "Two"), listed("b", "One")),
		},
		"a room gets the name that it wants when that is free": {
			in: breakout.ViewInput{
				Open: true, Planned: planned(listed("a", "One"), listed("b", "Two (2)")),
				Rooms:    []v1alpha1.BreakoutRoomSpec{named("a", "One"), named("b", "Two")},
				Children: children{"a": ready("a"), "b": ready("b")},
			},
			wantRooms: rooms(listed("a", "One"), listed("b", "Two")),
		},
		"the name of a room that people are called out of is taken": {
			in: breakout.ViewInput{
				Open: true, Planned: planned(leaving("old", "Team")),
				Rooms:    []v1alpha1.BreakoutRoomSpec{named("a", "Team")},
				Children: children{"a": ready("a")},
			},
			wantRooms: rooms(listed("a", "Team (2)")), wantAdjusted: []room{"a"},
		},
		"while people are about to go to them by name, rooms keep their names": {
			in: breakout.ViewInput{
				Open: true, NamesFixed: map[room]bool{"a": true}, Planned: planned(listed("a", "One")),
				Rooms:    []v1alpha1.BreakoutRoomSpec{named("a", "Two"), named("b", "One"), named("c", "Three")},
				Children: children{"a": ready("a"), "b": ready("b"), "c": ready("c")},
			},
			wantRooms:    rooms(listed("a", "One"), listed("b", "One (2)"), listed("c", "Three")),
			wantAdjusted: []room{"b"},
		},
		"a room that lingers is not the one over the most that a status lists": {
			roster: people("Ada"),
			in: breakout.ViewInput{
				Open: true, Linger: true, Planned: planned(listed("red", "red", "Ada")), Rooms: fiveHundred,
				Children: all,
				Places:   breakout.Places{"Ada": "r0"},
			},
			wantMain: []person{"Ada"}, wantRooms: allListed,
		},
		"a room that is new waits until some of those that people are called out of are gone": {
			in: breakout.ViewInput{
				Open: true, Planned: planned(slices.Concat(allListed, allLeaving)...),
				Rooms: []v1alpha1.BreakoutRoomSpec{named("red", ""), named("r0", "")}, Children: all,
			},
			wantRooms: allListed[:1],
		},
		"nor one whose MeetingRoom is going": {
			roster: people("Ada"),
			in: breakout.ViewInput{
				Open: true, Linger: true, Planned: planned(listed("red", "red", "Ada")), Rooms: specs([]room{"blue"}),
				Children: children{"red": gone, "blue": ready("blue")}, Places: breakout.Places{"Ada": "blue"},
			},
			wantMain: []person{"Ada"}, wantRooms: rooms(listed("blue", "blue")),
		},
		"the main room's name is fixed while open": {
			display: "Geometry", in: breakout.ViewInput{Open: true, Planned: planned()}, wantName: "algebra",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.in.Main = mainOf(tc.roster...)
			tc.in.Main.Spec.DisplayName = tc.display
			if tc.wantName == "" {
				tc.wantName = "algebra"
			}
			got, adjusted := breakout.ViewOf(tc.in)
			want := breakout.View{
				MainDisplayName: tc.wantName, MainSessionID: "1_main", MainParticipants: tc.wantMain,
				Rooms: tc.wantRooms,
			}
			got.Hosts = nil
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("ViewOf (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantAdjusted, adjusted, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("adjusted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestViewOfLeaders(t *testing.T) {
	v, _ := breakout.ViewOf(
		breakout.ViewInput{
			Main: mainOf(people("Jo/h", "Ada", "Co/c", "Vi/v", "Al/h")...), Mode: v1alpha1.ModeChoose,
			Timer: timerOf(60, v1alpha1.ReturnManual),
		},
	)
	want := breakout.View{
		MainDisplayName: "algebra", MainSessionID: "1_main", MainParticipants: []person{"Jo", "Ada", "Co", "Vi", "Al"},
		Hosts: []person{"Jo", "Al"}, CoHosts: []person{"Co"}, Mode: v1alpha1.ModeChoose,
		Timer: timerOf(60, v1alpha1.ReturnManual),
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("ViewOf (-want +got):\n%s", diff)
	}
}

func TestRoomsOf(t *testing.T) {
	limited := func(name room, limit int32) v1alpha1.BreakoutRoomSpec {
		return v1alpha1.BreakoutRoomSpec{Name: name, MaxParticipants: &limit}
	}
	for name, tc := range map[string]struct {
		spec v1alpha1.BreakoutSetSpec
		want []v1alpha1.BreakoutRoomSpec
	}{
		"none": {},
		"counted": {
			spec: v1alpha1.BreakoutSetSpec{Replicas: new(int32(2))}, want: specs([]room{"room-1", "room-2"}),
		},
		"counted to 0": {spec: v1alpha1.BreakoutSetSpec{Replicas: new(int32(0))}},
		"counted, sized": {
			spec: v1alpha1.BreakoutSetSpec{Replicas: new(int32(1)), MaxParticipants: new(int32(5))},
			want: []v1alpha1.BreakoutRoomSpec{limited("room-1", 5)},
		},
		"listed": {spec: v1alpha1.BreakoutSetSpec{Rooms: specs([]room{"red"})}, want: specs([]room{"red"})},
		"the set's size unless a room has one, and 0 is none": {
			spec: v1alpha1.BreakoutSetSpec{
				MaxParticipants: new(int32(5)),
				Rooms:           []v1alpha1.BreakoutRoomSpec{{Name: "a"}, limited("b", 3), limited("c", 0)},
			},
			want: []v1alpha1.BreakoutRoomSpec{limited("a", 5), limited("b", 3), {Name: "c"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := tc.spec.DeepCopy()
			if diff := cmp.Diff(tc.want, breakout.RoomsOf(&tc.spec), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("RoomsOf (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(*before, tc.spec); diff != "" {
				t.Errorf("the spec changed:\n%s", diff)
			}
		})
	}
}

func TestComplete(t *testing.T) {
	main := &v1alpha1.MeetingRoom{
		Spec: v1alpha1.MeetingRoomSpec{Participants: []v1alpha1.Participant{{Name: "Ada"}, {Name: "Ben"}}},
	}
	rooms := []v1alpha1.BreakoutRoomSpec{{Name: "red"}, {Name: "blue"}}
	child := func(session string, ready bool, tokens ...v1alpha1.ParticipantName) breakout.Child {
		c := breakout.Child{
			MeetingRoomName: "x", SessionID: session, Ready: ready, Tokens: map[v1alpha1.ParticipantName]bool{},
		}
		for _, p := range tokens {
			c.Tokens[p] = true
		}
		return c
	}
	leaving := child("2", true)
	leaving.Terminating = true
	type children = map[v1alpha1.BreakoutRoomName]breakout.Child
	for name, tc := range map[string]struct {
		children children
		want     bool
	}{
		"all there":                {children{"red": child("1", true, "Ada"), "blue": child("2", true, "Ben")}, true},
		"a token is missing":       {children{"red": child("1", true, "Ada"), "blue": child("2", true)}, false},
		"a room is missing":        {children{"red": child("1", true, "Ada")}, false},
		"a room has no session":    {children{"red": child("1", true, "Ada"), "blue": child("", false)}, false},
		"a room is on its way out": {children{"red": child("1", true, "Ada"), "blue": leaving}, true},
	} {
		t.Run(name, func(t *testing.T) {
			in := breakout.ViewInput{
				Main: main, Rooms: rooms, Children: tc.children, Places: breakout.Places{"Ada": "red", "Ben": "blue"},
			}
			view, _ := breakout.ViewOf(in)
			if got := in.Complete(view); got != tc.want {
				t.Errorf("got %v, want %v, for %+v", got, tc.want, view)
			}
		})
	}
}

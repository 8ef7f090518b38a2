// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sandbox/environment"
	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// newTestStage is a stage on which Ada and Bo are in a meeting with breakout room red, to which Ada belongs.
func newTestStage(t *testing.T) (*stage, *school) {
	school := newSchool(t)
	s := &stage{
		Environment: &environment.Environment{Vendor: &environment.Vendor{Simulator: school.vendor}},
		class:       school.classroom, meeting: "main", set: "groups",
		rooms: map[string]*v1alpha1.MeetingRoom{}, sets: map[string]*v1alpha1.BreakoutSet{},
		sessions: map[string]place{},
		history:  newHistory(), marks: map[string]*mark{}, lastNews: map[string]time.Time{},
	}
	for room, session := range school.sessions {
		s.sessions[session] = place{"main", room}
	}
	main, red := fixture.MeetingRoom("main", fixture.Participants("Ada", "Bo=Host")), fixture.MeetingRoom("red")
	set := fixture.BreakoutSet("groups", "main")
	red.ResourceVersion = "5"
	red.Labels = map[string]string{v1alpha1.MeetingRoomLabel: "main", v1alpha1.BreakoutRoomLabel: "red"}
	red.Status.SessionID = school.sessions["red"]
	red.Status.Tokens = []v1alpha1.ParticipantToken{{Participant: "Ada"}}
	set.ResourceVersion = "6"
	set.Status.MainDisplayName = "Algebra"
	set.Status.Rooms = []v1alpha1.BreakoutRoomStatus{{
		Name: "red", DisplayName: "Red team", Participants: []v1alpha1.ParticipantName{"Ada"},
	}}
	s.rooms["main"], s.rooms["groups-red"], s.sets["groups"] = main, red, set
	s.history.atRoom("ADDED", red)
	s.history.atSet(set)
	s.enter("main", "groups")
	return s, school
}

// held returns which of some expectations did not hold.
func held(expect func(*checks)) []string {
	c := &checks{}
	expect(c)
	var failed []string
	for _, one := range c.list {
		failed = append(failed, one.problems...)
	}
	return failed
}

func TestExpectations(t *testing.T) {
	sent := func(_ *stage, school *school, t *testing.T) {
		school.send(t, "main", created, "Ada")
		school.pass(5 * time.Second)
	}
	tests := map[string]struct {
		happens func(*stage, *school, *testing.T)
		expect  func(*stage, *checks)
		want    []string
	}{
		"who received what is right": {
			happens: sent,
			expect:  func(s *stage, c *checks) { s.expectReceived(c, "", everybody(created)) },
		},
		"somebody received more": {
			happens: func(s *stage, school *school, t *testing.T) {
				sent(s, school, t)
				school.send(t, "red", roomEdited)
			},
			expect: func(s *stage, c *checks) { s.expectReceived(c, "", everybody(created)) },
			want:   []string{"Ada received [roomCreated (automatic); roomEdited], not [roomCreated (automatic)]"},
		},
		"nobody received anything": {
			expect: func(s *stage, c *checks) { s.expectReceived(c, "", everybody(created)) },
			want: []string{
				"Ada received [], not [roomCreated (automatic)]", "Bo received [], not [roomCreated (automatic)]",
			},
		},
		"what was received before the scene does not count": {
			happens: func(s *stage, school *school, t *testing.T) {
				sent(s, school, t)
				s.remember()
			},
			expect: func(s *stage, c *checks) {
				s.expectReceived(c, "", nothing)
				s.expectChanges(c, "", nil)
			},
		},
		"who was sent is right": {
			happens: sent,
			expect:  func(s *stage, c *checks) { s.expectSent(c, "", []string{"Ada"}) },
		},
		"somebody was sent before there was a token": {
			happens: func(s *stage, school *school, t *testing.T) {
				s.history = newHistory()
				sent(s, school, t)
			},
			expect: func(s *stage, c *checks) { s.expectSent(c, "", []string{"Ada"}) },
			want:   []string{"Ada was sent to Red team before their token was in the status of MeetingRoom red"},
		},
		"somebody else was sent": {
			happens: func(_ *stage, school *school, t *testing.T) { school.send(t, "main", created, "Bo") },
			expect:  func(s *stage, c *checks) { s.expectSent(c, "", []string{"Ada"}) },
			want: []string{
				"Ada was sent to [], not to [Red team]", "Bo was sent to [Red team], not to []",
				"Bo was sent to Red team before their token was in the status of MeetingRoom red",
			},
		},
		"where all are is right": {
			happens: sent,
			expect: func(s *stage, c *checks) {
				s.expectPlaces(c, "", s.plannedPlace)
				s.expectChanges(c, "", []string{"Ada"})
			},
		},
		"nobody went": {
			expect: func(s *stage, c *checks) {
				s.expectPlaces(c, "", s.plannedPlace)
				s.expectChanges(c, "", []string{"Ada"})
			},
			want: []string{"Ada is in main, not in red", "Ada changed 0 times, not 1"},
		},
		"a page knows less than it should": {
			happens: func(_ *stage, school *school, t *testing.T) { school.send(t, "main", created) },
			expect:  func(s *stage, c *checks) { s.expectKnown(c, "") },
			want:    []string{`Ada's page shows room "", not "Red team"`},
		},
		"a page does not know the rooms": {
			happens: func(s *stage, school *school, t *testing.T) {
				sent(s, school, t)
				s.sets["groups"].Status.Rooms[0].MaxParticipants = 4
			},
			expect: func(s *stage, c *checks) { s.expectKnown(c, "") },
			want:   []string{"Bo's page lists [Red team], not [Red team for 4]"}, // who leads nobody sees no list
		},
		"tokens say something else": {
			expect: func(s *stage, c *checks) { c.none("", s.wrongTokens()) },
			want: []string{
				`Ada is a publisher with Ada, not a publisher with {"id":"Ada","name":"Ada","role":"participant","isCohost":false}`,
				`Bo is a publisher with Bo, not a moderator with {"id":"Bo","name":"Bo","role":"moderator","isCohost":false}`,
			},
		},
		"somebody is left where there is no room any more": {
			happens: func(s *stage, school *school, t *testing.T) {
				sent(s, school, t)
				delete(s.rooms, "groups-red")
				s.rooms["main"].Status.SessionID = school.sessions["main"]
			},
			expect: func(s *stage, c *checks) { s.expectNobodyDisconnected(c) },
			want:   []string{"1 in red"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, school := newTestStage(t)
			if tt.happens != nil {
				tt.happens(s, school, t)
			}
			got := held(func(c *checks) { tt.expect(s, c) })
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIsView(t *testing.T) {
	red := browser.Room{Name: "Red team", MemberAssigned: []string{"Ada"}}
	tests := map[string]struct {
		list browser.RoomList
		is   bool
	}{
		"the status": {
			browser.RoomList{Message: created, BreakoutRooms: []browser.Room{{Name: "Algebra"}, red}}, true,
		},
		"another message": {
			browser.RoomList{Message: roomEdited, BreakoutRooms: []browser.Room{{Name: "Algebra"}, red}}, false,
		},
		"a room less": {
			browser.RoomList{Message: created, BreakoutRooms: []browser.Room{{Name: "Algebra"}}}, false,
		},
		"another name": {
			browser.RoomList{
				Message:       created,
				BreakoutRooms: []browser.Room{{Name: "Algebra"}, {Name: "Red", MemberAssigned: []string{"Ada"}}},
			}, false,
		},
		"another assignment": {
			browser.RoomList{
				Message:       created,
				BreakoutRooms: []browser.Room{{Name: "Algebra"}, {Name: "Red team", MemberAssigned: []string{"Bo"}}},
			}, false,
		},
		"somebody known to be there": {
			browser.RoomList{
				Message: created,
				BreakoutRooms: []browser.Room{
					{Name: "Algebra"}, {Name: "Red team", MemberAssigned: []string{"Ada"}, Member: []string{"Bo"}},
				},
			}, false,
		},
	}
	s, _ := newTestStage(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := s.isView(tt.list, created); (err == nil) != tt.is {
				t.Errorf("error %v, want none: %t", err, tt.is)
			}
		})
	}
}

func TestDifference(t *testing.T) {
	want := merged(toEach([]string{"main", "red"}, roomAdded, moved), toEach([]string{"red"}, moved))
	tests := map[string]struct {
		got  map[string][]string
		want []string
	}{
		"none": {map[string][]string{"main": {roomAdded, moved}, "red": {moved}}, nil},
		"another order": {
			map[string][]string{"main": {moved, roomAdded}, "red": {moved}},
			[]string{"main was sent [participantMoved; roomAdded], not [roomAdded; participantMoved]"},
		},
		"one twice": {
			map[string][]string{"main": {roomAdded, moved}, "red": {moved, moved}},
			[]string{"red was sent [participantMoved; participantMoved], not [participantMoved]"},
		},
		"one without any": {
			map[string][]string{"main": {roomAdded, moved}}, []string{"red was sent [], not [participantMoved]"},
		},
		"one too many": {
			map[string][]string{"main": {roomAdded, moved}, "red": {moved}, "a room unknown": {moved}},
			[]string{"a room unknown was sent [participantMoved], not []"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, difference(tt.got, want)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSomebodyWas(t *testing.T) {
	s, school := newTestStage(t)
	school.send(t, "main", created, "Ada")
	school.pass(5 * time.Second)
	if got := s.wereOut(); len(got) != 0 {
		t.Errorf("%v were out when the scene began, want nobody", got)
	}
	s.remember()
	if diff := cmp.Diff([]string{"Ada"}, s.wereOut()); diff != "" {
		t.Errorf("out when the scene began (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Bo"}, s.wereIn("main")); diff != "" {
		t.Errorf("in main when the scene began (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Ada"}, s.students()); diff != "" {
		t.Errorf("students (-want +got):\n%s", diff)
	}
	s.enter("elsewhere", "groups")
	if len(s.people()) != 0 || s.person("Ada") != nil {
		t.Error("there are people in a meeting to which nobody has come")
	}
}

func TestYear(t *testing.T) {
	names := pupilNames(400)
	if slices.Sort(names); len(slices.Compact(names)) != 400 {
		t.Errorf("of 400 names %d are different", len(slices.Compact(names)))
	}
	room, err := decode(yearYAML())
	if err != nil {
		t.Fatal(err)
	}
	people, _ := room.Object["spec"].(map[string]any)["participants"].([]any)
	if room.GetKind() != "MeetingRoom" || room.GetName() != yearName || len(people) != pupils+1 {
		t.Errorf("%s %s with %d people, want a MeetingRoom %s with %d", room.GetKind(), room.GetName(), len(people),
			yearName, pupils+1)
	}
}

func TestRound(t *testing.T) {
	openAt := time.Unix(1795370440, 0)
	round, err := decode(roundYAML(openAt))
	if err != nil {
		t.Fatal(err)
	}
	spec := round.Object["spec"].(map[string]any)
	var rooms []string
	for _, r := range spec["rooms"].([]any) {
		rooms = append(rooms, r.(map[string]any)["name"].(string))
	}
	if diff := cmp.Diff(roomsOfRound(), rooms); diff != "" {
		t.Errorf("rooms (-want +got):\n%s", diff)
	}
	if got := fmt.Sprint(spec["openAt"]); got != openAt.UTC().Format(time.RFC3339) {
		t.Errorf("openAt %s, want %s", got, openAt.UTC().Format(time.RFC3339))
	}
}

func TestPerform(t *testing.T) {
	s, _ := newTestStage(t)
	var out bytes.Buffer
	s.timeline = &timeline{out: &out}
	s.bulletin = &bulletin{timeline: s.timeline}
	c := &checks{}
	never := act{do: func(context.Context, *stage) error { t.Error("an act after a failed one is played"); return nil }}
	fine := act{until: func(*stage) bool { return true }, what: "it is fine"}
	if err := s.perform(t.Context(), fine, c); err != nil || c.failed() != 0 || len(c.list) != 1 {
		t.Errorf("error %v, %d of %d failed, want none of one", err, c.failed(), len(c.list))
	}
	c.that(false, "it is not", "no")
	if err := s.perform(t.Context(), never, c); err != nil {
		t.Error(err)
	}
}

func TestSome(t *testing.T) {
	if got := some(strings.Fields("a b c d e"), 5); got != "a, b, c, d, e" {
		t.Errorf("got %q", got)
	}
	if got := some(strings.Fields("a b c d e f"), 5); got != "a, b, c and 3 others" {
		t.Errorf("got %q", got)
	}
}

func TestEncodedLength(t *testing.T) {
	for data, want := range map[string]int{"": 2, "ab": 4, `{"a":1}`: 11, "é<&>": 7, "\n": 4} {
		if got := encodedLength(data); got != want {
			t.Errorf("%q: length %d, want %d", data, got, want)
		}
	}
}

func TestPagesCountAsOne(t *testing.T) {
	page := func(index, count int) received {
		data := fmt.Sprintf(
			`{"message":"roomEdited","revision":7,"breakoutRooms":[],"page":{"index":%d,"count":%d}}`,
			index,
			count,
		)
		return received{typ: typeBreakoutRoom, data: data}
	}
	for name, tc := range map[string]struct {
		pages []received
		whole int // problems with pages
	}{
		"all":           {[]received{page(2, 2), page(1, 2)}, 0},
		"one too few":   {[]received{page(1, 2)}, 1},
		"without pages": {[]received{{typ: typeBreakoutRoom, data: `{"message":"roomEdited"}`}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newTestStage(t)
			ada := s.person("Ada")
			ada.received = append(ada.received, tc.pages...)
			got := held(func(c *checks) {
				s.expectReceived(c, "", func(name string) []string {
					if name == "Ada" {
						return []string{roomEdited}
					}
					return nil
				})
			})
			if len(got) > 0 {
				t.Errorf("problems: %q", got)
			}
			if whole := held(func(c *checks) { s.expectWhole(c, "") }); len(whole) != tc.whole {
				t.Errorf("problems with pages: %q, want %d", whole, tc.whole)
			}
		})
	}
}

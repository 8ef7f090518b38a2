// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
)

// school is a classroom at a simulated vendor with rooms main and red, on a clock that the test moves.
type school struct {
	*classroom
	now      time.Time
	sessions map[string]string // by room
	said     []string
	noToken  map[string]bool // rooms without tokens
}

func newSchool(t *testing.T) *school {
	v, creds := testVonage(t)
	s := &school{now: time.Unix(1795370440, 0), sessions: map[string]string{}, noToken: map[string]bool{}}
	for _, room := range []string{"main", "red"} {
		s.sessions[room] = v.NewSessionID(v.projectID, false)
	}
	s.classroom = &classroom{
		vendor: v.Simulator,
		token: func(room, participant string) (string, string, error) {
			if s.noToken[room] {
				return "", "", fmt.Errorf("room %s has no tokens", room)
			}
			token, err := creds.MintToken(vonage.TokenOptions{
				SessionID: s.sessions[room], Role: vonage.RolePublisher, Data: participant, IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
			})
			return s.sessions[room], token, err
		},
		roomOf: func(session string) string {
			for room, id := range s.sessions {
				if id == session {
					return room
				}
			}
			return "unknown"
		},
		say: func(who, what string) { s.said = append(s.said, who+": "+what) },
	}
	main := browser.Room{ID: "main", Name: "Algebra", SessionID: s.sessions["main"]}
	for _, name := range []string{"Ada", "Bo"} {
		if err := s.join(name, browser.ParticipantPage, false, main, s.now); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// tell delivers a breakout-room signal to whoever is in a room.
func (s *school) tell(t *testing.T, room, message string, sent ...string) []string {
	t.Helper()
	type listed struct {
		ID             string   `json:"id"`
		Name           string   `json:"name"`
		SessionID      string   `json:"sessionId"`
		Member         []string `json:"member"`
		MemberAssigned []string `json:"memberAssigned"`
	}
	rooms := []listed{
		{ID: "main", Name: "Algebra", SessionID: s.sessions["main"], Member: []string{}, MemberAssigned: []string{}},
		{ID: "red", Name: "Red team", SessionID: s.sessions["red"], Member: []string{}, MemberAssigned: append([]string{}, sent...)},
	}
	data, err := json.Marshal(map[string]any{"message": message, "breakoutRooms": rooms})
	if err != nil {
		t.Fatal(err)
	}
	signal := simulator.SessionSignal{Type: typeBreakoutRoom, Data: string(data)}
	for _, c := range s.vendor.Connections(s.sessions[room]) {
		signal.Recipients = append(signal.Recipients, c.ID)
	}
	return s.receive(s.sessions[room], signal, s.now)
}

func (s *school) pass(d time.Duration) {
	s.now = s.now.Add(d)
	s.advance(s.now)
}

func TestClassroomGoesWhereItIsTold(t *testing.T) {
	s := newSchool(t)
	if diff := cmp.Diff([]string{"Ada", "Bo"}, s.tell(t, "main", "roomCreated (automatic)", "Ada")); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	at, any := s.next()
	if want := s.now.Add(5 * time.Second); !any || !at.Equal(want) {
		t.Errorf("next at %v, %v, want %v", at, any, want)
	}
	s.pass(4 * time.Second)
	if diff := cmp.Diff([]string{"main"}, s.places(s.person("Ada"))); diff != "" {
		t.Errorf("before the notice is over Ada is in (-want +got):\n%s", diff)
	}
	if !s.busy() {
		t.Error("nobody is busy while Ada's notice is shown")
	}
	s.pass(time.Second)
	if diff := cmp.Diff([]string{"red"}, s.places(s.person("Ada"))); diff != "" {
		t.Errorf("after the notice Ada is in (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"main"}, s.places(s.person("Bo"))); diff != "" {
		t.Errorf("Bo is in (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Ada: main → red"}, s.said); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	if s.busy() {
		t.Error("somebody is busy when all is done")
	}

	if diff := cmp.Diff([]string{"Ada"}, s.tell(t, "red", "allRoomRemoved")); diff != "" {
		t.Errorf("told in red (-want +got):\n%s", diff)
	}
	s.pass(5 * time.Second)
	if diff := cmp.Diff([]string{"main"}, s.places(s.person("Ada"))); diff != "" {
		t.Errorf("after the end Ada is in (-want +got):\n%s", diff)
	}
	if n := len(s.vendor.Connections(s.sessions["red"])); n != 0 {
		t.Errorf("%d connections are left in red", n)
	}
	var heard []string
	for _, h := range s.person("Ada").heard {
		heard = append(heard, s.roomOf(h.session)+" "+h.name())
	}
	if diff := cmp.Diff([]string{"main roomCreated (automatic)", "red allRoomRemoved"}, heard); diff != "" {
		t.Errorf("Ada heard (-want +got):\n%s", diff)
	}
	for _, p := range s.people {
		if problems := append(p.page.Errors(), p.problems...); len(problems) > 0 {
			t.Errorf("%s had problems: %q", p.name, problems)
		}
	}
}

func TestClassroomShowsAGhost(t *testing.T) {
	s := newSchool(t)
	s.tell(t, "main", "roomCreated (automatic)", "Ada")
	s.pass(time.Second)
	s.tell(t, "main", "participantMoved", "Ada")
	s.pass(10 * time.Second)
	if diff := cmp.Diff([]string{"red", "red"}, s.places(s.person("Ada"))); diff != "" {
		t.Errorf("told twice within 5 s, Ada is in (-want +got):\n%s", diff)
	}
}

func TestClassroomNotesAMissingToken(t *testing.T) {
	s := newSchool(t)
	s.noToken["red"] = true
	s.tell(t, "main", "participantMoved", "Ada")
	s.pass(5 * time.Second)
	if diff := cmp.Diff([]string{"room red has no tokens"}, s.person("Ada").problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"main"}, s.places(s.person("Ada"))); diff != "" {
		t.Errorf("Ada is in (-want +got):\n%s", diff)
	}
}

func TestClassroomNotesWhoIsDisconnected(t *testing.T) {
	s := newSchool(t)
	ada := s.person("Ada")
	if got := s.expel(ada.connections[0].ID()); got != "Ada" {
		t.Errorf("%q was disconnected, want Ada", got)
	}
	if ada.expelled != 1 || len(s.places(ada)) != 0 {
		t.Errorf("disconnected %d times and in %v, want once and nowhere", ada.expelled, s.places(ada))
	}
	if got := s.expel("of a stranger"); got != "" {
		t.Errorf("%q was disconnected, want nobody", got)
	}
}

func TestClassroomNobodyJoinsWithoutAToken(t *testing.T) {
	s := newSchool(t)
	s.noToken["main"] = true
	if err := s.join("Cy", browser.ParticipantPage, false, browser.Room{ID: "main"}, s.now); err == nil {
		t.Error("no error")
	}
	if slices.ContainsFunc(s.people, func(p *person) bool { return p.name == "Cy" }) {
		t.Error("Cy is there all the same")
	}
}

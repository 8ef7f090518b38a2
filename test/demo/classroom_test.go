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
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// school is a classroom at a simulated vendor with rooms main and red, on a clock that the test moves.
type school struct {
	*classroom
	now      time.Time
	sessions map[string]string // by room
	said     []string
	noToken  map[string]bool // rooms without tokens
}

// person is the one of that name.
func (s *school) person(name string) *person {
	return s.people[slices.IndexFunc(s.people, func(p *person) bool { return p.name == name })]
}

func newSchool(t *testing.T) *school {
	sim := simulator.New(simulator.Options{Projects: []simulator.Project{
		{Environment: simulator.Unified, ID: fixture.ProjectID, PublicKey: &fixture.Key().PublicKey},
	}})
	t.Cleanup(sim.Close)
	creds, err := vonage.NewCredentials(vonage.Unified, fixture.ProjectID, fixture.PEM(fixture.Key()))
	if err != nil {
		t.Fatal(err)
	}
	s := &school{now: time.Unix(1795370440, 0), sessions: map[string]string{}, noToken: map[string]bool{}}
	for _, room := range []string{"main", "red"} {
		s.sessions[room] = sim.NewSessionID(fixture.ProjectID, false)
	}
	s.classroom = &classroom{
		vendor: sim,
		token: func(room, participant string) (string, string, error) {
			if s.noToken[room] {
				return "", "", fmt.Errorf("room %s has no tokens", room)
			}
			token, err := creds.MintToken(vonage.TokenOptions{
				SessionID: s.sessions[room], Role: vonage.RolePublisher, Data: participant, IssuedAt: time.Now(),
				ExpiresAt: time.Now().Add(time.Hour),
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
		moved: func(p *person, from, to []string) { s.said = append(s.said, p.name+": "+list(from)+" → "+list(to)) },
	}
	main := browser.Room{ID: "main", Name: "Algebra", SessionID: s.sessions["main"]}
	for _, name := range []string{"Ada", "Bo"} {
		if err := s.join(joining{name: name, main: main}, s.now); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// send delivers a breakout-room signal to whoever is in a room.
func (s *school) send(t *testing.T, room, message string, sent ...string) []string {
	t.Helper()
	type listed struct {
		ID             string   `json:"id"`
		Name           string   `json:"name"`
		SessionID      string   `json:"sessionId"`
		Max            int      `json:"maxParticipants"`
		Member         []string `json:"member"`
		MemberAssigned []string `json:"memberAssigned"`
	}
	rooms := []listed{
		{
			ID: "main", Name: "Algebra", SessionID: s.sessions["main"], Max: 1000, Member: []string{},
			MemberAssigned: []string{},
		},
		{
			ID: "red", Name: "Red team", SessionID: s.sessions["red"], Max: 1000, Member: []string{},
			MemberAssigned: append([]string{}, sent...),
		},
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
	if diff := cmp.Diff([]string{"Ada", "Bo"}, s.send(t, "main", "roomCreated (automatic)", "Ada")); diff != "" {
		t.Errorf("received by (-want +got):\n%s", diff)
	}
	at, any := s.next()
	if want := s.now.Add(5 * time.Second); !any || !at.Equal(want) {
		t.Errorf("next at %v, %v, want %v", at, any, want)
	}
	s.pass(4 * time.Second)
	if diff := cmp.Diff([]string{"main"}, s.places(s.person("Ada"))); diff != "" {
		t.Errorf("before the notice is over Ada is in (-want +got):\n%s", diff)
	}
	if !s.person("Ada").page.Busy() {
		t.Error("Ada is not busy while her notice is shown")
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
	if _, any := s.next(); any {
		t.Error("somebody is about to do something when all is done")
	}

	if diff := cmp.Diff([]string{"Ada"}, s.send(t, "red", "allRoomRemoved")); diff != "" {
		t.Errorf("received in red by (-want +got):\n%s", diff)
	}
	s.pass(5 * time.Second)
	if diff := cmp.Diff([]string{"main"}, s.places(s.person("Ada"))); diff != "" {
		t.Errorf("after the end Ada is in (-want +got):\n%s", diff)
	}
	if n := len(s.vendor.Connections(s.sessions["red"])); n != 0 {
		t.Errorf("%d connections are left in red", n)
	}
	var received []string
	for _, h := range s.person("Ada").received {
		received = append(received, s.roomOf(h.session)+" "+h.name())
	}
	if diff := cmp.Diff([]string{"main roomCreated (automatic)", "red allRoomRemoved"}, received); diff != "" {
		t.Errorf("Ada received (-want +got):\n%s", diff)
	}
	for _, p := range s.people {
		if problems := append(p.page.Errors(), p.problems...); len(problems) > 0 {
			t.Errorf("%s had problems: %q", p.name, problems)
		}
	}
}

func TestClassroomConnectsASessionOnce(t *testing.T) {
	s := newSchool(t)
	s.send(t, "main", "roomCreated (automatic)", "Ada")
	s.pass(time.Second)
	s.send(t, "main", "participantMoved", "Ada")
	s.pass(10 * time.Second)
	if diff := cmp.Diff([]string{"red"}, s.places(s.person("Ada"))); diff != "" {
		t.Errorf("sent there twice within 5 s, Ada is in (-want +got):\n%s", diff)
	}
}

func TestClassroomNotesAMissingToken(t *testing.T) {
	s := newSchool(t)
	s.noToken["red"] = true
	s.send(t, "main", "participantMoved", "Ada")
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
	if got := s.expel(ada.connections[0].ID()); got != ada {
		t.Errorf("%v was disconnected, want Ada", got)
	}
	if len(s.places(ada)) != 0 {
		t.Errorf("Ada is in %v, want nowhere", s.places(ada))
	}
	s.pass(time.Minute)
	if len(s.places(ada)) != 0 {
		t.Errorf("Ada is in %v again", s.places(ada))
	}
	if got := s.expel("of a stranger"); got != nil {
		t.Errorf("%s was disconnected, want nobody", got.name)
	}
}

func TestClassroomNobodyJoinsWithoutAToken(t *testing.T) {
	s := newSchool(t)
	s.noToken["main"] = true
	if err := s.join(joining{name: "Cy", main: browser.Room{ID: "main"}}, s.now); err == nil {
		t.Error("no error")
	}
	if slices.ContainsFunc(s.people, func(p *person) bool { return p.name == "Cy" }) {
		t.Error("Cy is there all the same")
	}
}

func TestClassroomLateComer(t *testing.T) {
	s := newSchool(t)
	_, unnamed, err := s.token("main", "")
	if err != nil {
		t.Fatal(err)
	}
	main := browser.Room{ID: "main", Name: "Algebra", SessionID: s.sessions["main"]}
	if err := s.join(joining{name: "Cy", main: main, token: unnamed}, s.now); err != nil {
		t.Fatal(err)
	}
	cy := s.person("Cy")
	if got := cy.connections[0].Data(); got != "" {
		t.Errorf("Cy joined as %q, want nobody", got)
	}
	s.send(t, "main", "participantMoved", "Cy")
	s.pass(5 * time.Second)
	s.send(t, "red", "allRoomRemoved")
	s.pass(5 * time.Second)
	if diff := cmp.Diff([]string{"main"}, s.places(cy)); diff != "" {
		t.Errorf("Cy is in (-want +got):\n%s", diff)
	}
	if got := cy.connections[0].Data(); got != "Cy" {
		t.Errorf("Cy came back as %q, want Cy", got)
	}
}

func TestClassroomChoosing(t *testing.T) {
	s := newSchool(t)
	ada := s.person("Ada")
	s.choose(ada, "Red team", s.now)
	if diff := cmp.Diff([]string{"main"}, s.places(ada)); diff != "" {
		t.Errorf("when not asked Ada goes to (-want +got):\n%s", diff)
	}
	if len(ada.problems) != 1 {
		t.Errorf("problems %q, want one", ada.problems)
	}
	s.send(t, "main", "roomCreated (chooseroom)")
	s.choose(ada, "Red team", s.now)
	if diff := cmp.Diff([]string{"red"}, s.places(ada)); diff != "" {
		t.Errorf("Ada is in (-want +got):\n%s", diff)
	}
}

func TestClassroomDismiss(t *testing.T) {
	s := newSchool(t)
	if got := s.dismiss("elsewhere"); got != 0 || len(s.people) != 2 {
		t.Errorf("dismissed %d of another meeting, %d are left, want 0 and 2", got, len(s.people))
	}
	s.expel(s.person("Ada").connections[0].ID())
	s.vendor.Client(s.person("Bo").connections[0].ID()).Drop()
	if got := s.dismiss("main"); got != 0 || len(s.people) != 0 {
		t.Errorf("%d were connected, %d are left, want 0 and 0", got, len(s.people))
	}
	s = newSchool(t)
	if got := s.dismiss("main"); got != 2 {
		t.Errorf("%d were connected, want 2", got)
	}
}

func TestClassroomOffTheNetwork(t *testing.T) {
	s := newSchool(t)
	ada := s.person("Ada")
	s.cutOff(ada, s.now.Add(10*time.Second))
	if diff := cmp.Diff([]string{"Bo"}, s.send(t, "main", "participantMoved", "Ada")); diff != "" {
		t.Errorf("received by (-want +got):\n%s", diff)
	}
	if at, any := s.next(); !any || !at.Equal(s.now.Add(10*time.Second)) {
		t.Errorf("next at %v, %v, want when Ada is back", at, any)
	}
	s.pass(10*time.Second - 1)
	if len(s.places(ada)) != 0 {
		t.Errorf("before she is back Ada is in %v", s.places(ada))
	}
	s.pass(1)
	if diff := cmp.Diff([]string{"main"}, s.places(ada)); diff != "" {
		t.Errorf("when she is back Ada is in (-want +got):\n%s", diff)
	}
	s.send(t, "main", "participantMoved", "Ada")
	s.pass(5 * time.Second)
	if diff := cmp.Diff([]string{"red"}, s.places(ada)); diff != "" {
		t.Errorf("after the next round Ada is in (-want +got):\n%s", diff)
	}
	if ada.changes() != 1 || len(ada.failures()) > 0 {
		t.Errorf("Ada changed rooms %d times, with %q, want once without problems", ada.changes(), ada.failures())
	}
}

func TestClassroomBackToMain(t *testing.T) {
	for name, tc := range map[string]struct {
		goes    func(*school, *person)
		changes int // when she is back in red again
	}{
		"the page is loaded anew": {func(s *school, p *person) { s.reload(p, s.now) }, 2},
		"by herself":              {func(s *school, p *person) { s.goBack(p, s.now) }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSchool(t)
			ada := s.person("Ada")
			s.goBack(ada, s.now)
			if ada.changes() != 0 {
				t.Error("Ada goes to main though she is there")
			}
			s.send(t, "main", "participantMoved", "Ada")
			s.pass(5 * time.Second)
			tc.goes(s, ada)
			if diff := cmp.Diff([]string{"main"}, s.places(ada)); diff != "" {
				t.Errorf("Ada is in (-want +got):\n%s", diff)
			}
			if n := len(s.vendor.Connections(s.sessions["red"])); n != 0 {
				t.Errorf("%d connections are left in red", n)
			}
			s.send(t, "main", "roomEdited")
			s.send(t, "main", "participantMoved", "Ada")
			s.pass(5 * time.Second)
			if diff := cmp.Diff([]string{"red"}, s.places(ada)); diff != "" {
				t.Errorf("recalled, Ada is in (-want +got):\n%s", diff)
			}
			if ada.changes() != tc.changes || len(ada.failures()) > 0 {
				t.Errorf("Ada changed rooms %d times, with %q, want %d without problems", ada.changes(), ada.failures(),
					tc.changes)
			}
		})
	}
}

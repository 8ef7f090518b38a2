// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// The objects of config/samples that most scenes are about.
const (
	className = "algebra-101"
	setName   = "groups"
)

// What signals are called in expectations.
const (
	created        = "roomCreated (automatic)"
	offered        = "roomCreated (chooseroom)"
	roomAdded      = "roomAdded"
	roomEdited     = "roomEdited"
	removed        = "roomRemoved"
	allRoomRemoved = "allRoomRemoved"
	moved          = "participantMoved"
)

// scenes are what the demo plays, in order: each goes on where the last one of its meeting ended. Most wait for what
// takes its time, such as the rounds in which people are sent where they belong once more; there are three meetings so
// that others play meanwhile.
func scenes() []scene {
	return []scene{
		classMeets(), roomsOpen(), roomsEdited(),
		clubOpens(), yearOpens(),
		roomRemoved(), signalsSent(), classRests(), timeRuns(),
		clubArrives(), clockEdited(), peopleMoved(), clubRecalled(),
		yearCloses(), yearDeleted(),
		timeIsUp(), roomsChosen(), roomsClose(),
		clubRests(), peopleCome(),
		roomsGone(),
	}
}

// classMeets: the room is made, and everybody comes.
func classMeets() scene {
	return scene{
		title: "A class meets",
		acts: []act{
			{do: applySamples("MeetingRoom"), until: roomReady, what: "MeetingRoom " + className + " is Ready"},
			{do: join},
		},
		expect: func(s *stage, c *checks) {
			n := len(s.room().Spec.Participants)
			c.that(len(s.calls(simulator.OpCreateSession)) == 1, "the operator made exactly one session", "it made %d",
				len(s.calls(simulator.OpCreateSession)))
			c.that(len(s.people()) == n, fmt.Sprintf("%d participants connected with the tokens from status", n),
				"%d did", len(s.people()))
			c.none("each token says who it is for, and has the rights of their role", s.wrongTokens())
			s.expectPlaces(c, "everybody is in main", s.inMain)
			s.expectReceived(c, "nobody received anything yet", nothing)
			s.expectWrites(c, "the room cost two writes: its finalizer, and its status with session and tokens",
				"patch", "update status")
		},
	}
}

// roomsOpen: breakout rooms open, and everybody goes to theirs.
func roomsOpen() scene {
	return scene{
		title: "Breakout rooms open",
		acts: []act{{
			do: applySamples("BreakoutSet"), until: openAndThere,
			what: "BreakoutSet " + setName + " is open and Ready, and everybody is where its status says",
		}},
		expect: func(s *stage, c *checks) {
			students, n := s.students(), len(s.breakoutSet().Spec.Rooms)
			c.that(len(s.calls(simulator.OpCreateSession)) == n,
				fmt.Sprintf("the operator made exactly %d sessions, one for each room", n),
				"it made %d", len(s.calls(simulator.OpCreateSession)))
			signals := []string{created, typeUpdateParticipant}
			s.expectReceived(c, "everybody received exactly: "+created+", and then who leads", everybody(signals...))
			s.expectSent(c, "that sent each student to the room of the set's status, and sent nobody else anywhere",
				students)
			c.none("the rooms hold equally many students, give or take one", imbalance(s.breakoutSet()))
			s.expectPlaces(c, "every student is in the own room, and the hosts are in main, connected once each",
				s.plannedPlace)
			s.expectChanges(c, "every student changed rooms exactly once, and nobody else did", students)
			s.expectSignals(c, "the operator sent these two signals, to main, and Vonage accepted them",
				toEach([]string{mainRoom}, signals...))
			s.expectMoving(c, students...)
			s.expectWrites(c,
				"each breakout room cost two writes: its creation, and its status with session and tokens", "create",
				"update status")
		},
	}
}

// roomsClose: everybody goes back.
func roomsClose() scene {
	return scene{
		title: "The second round is closed",
		set:   roundName,
		acts: []act{{
			do: patchSet("spec:\n  state: Closed\n"), until: func(s *stage) bool { return s.allAt(s.inMain) },
			what: "everybody is back in main, connected once each",
		}},
		expect: func(s *stage, c *checks) {
			s.expectReceived(c, "everybody received exactly once: "+allRoomRemoved, everybody(allRoomRemoved))
			s.expectChanges(c, "every student changed rooms exactly once, and nobody else did", s.students())
			s.expectSignals(c, "the operator sent that to each session, and nothing else",
				toEach(append(roomsOfRound(), mainRoom), allRoomRemoved))
		},
	}
}

// roomsGone: the rooms go.
func roomsGone() scene {
	return scene{
		title: "The second round is complete",
		set:   roundName,
		acts: []act{{
			what: "BreakoutSet " + roundName + " is closed and Ready, and its rooms are gone",
			until: func(s *stage) bool {
				return setReady(s) && s.breakoutSet().Status.State == v1alpha1.StateClosed && len(s.children()) == 0 &&
					s.room().Status.ActiveBreakoutSet == nil
			},
		}},
		expect: func(s *stage, c *checks) {
			s.expectReceived(c, "everybody received once more: "+allRoomRemoved+", for who was between two sessions",
				everybody(allRoomRemoved))
			s.expectChanges(c, "nobody changed rooms", nil)
			s.expectPlaces(c, "everybody is in main, connected once each", s.inMain)
			s.expectSignals(c, "the operator sent that to main, and nothing else",
				toEach([]string{mainRoom}, allRoomRemoved))
			s.expectNobodyDisconnected(c)
			c.that(len(s.children()) == 0, "the breakout rooms' MeetingRooms are gone", "there are still %s",
				strings.Join(s.children(), ", "))
			c.that(s.room().Status.ActiveBreakoutSet == nil, "the meeting room is free for other breakout sets",
				"it is held still")
		},
	}
}

// wrongTokens is who connected with a token that does not say who they are as the sample app's browsers expect it, or
// has other rights.
func (s *stage) wrongTokens() []string {
	var problems []string
	for _, p := range s.people() {
		role, right := "participant", vonage.RolePublisher
		if !slices.Contains(s.students(), p.name) {
			right = vonage.RoleModerator
		}
		if slices.Contains(s.withRole(v1alpha1.RoleHost), p.name) {
			role = "moderator"
		}
		want := fmt.Sprintf(`{"id":%q,"name":%q,"role":%q,"isCohost":%t}`, p.name, p.name, role,
			slices.Contains(s.withRole(v1alpha1.RoleCoHost), p.name))
		for _, connection := range p.connections {
			if connection.Data() != want || connection.Role() != string(right) {
				problems = append(problems,
					fmt.Sprintf("%s is a %s with %s, not a %s with %s", p.name, connection.Role(), connection.Data(),
						right, want))
			}
		}
	}
	return problems
}

// isTrue is whether a condition of an object is true and is about the object as it is now; for a reason where one is
// given.
func isTrue(object fixture.Conditioned, kind, reason string) bool {
	return fixture.HasCondition(object, kind, metav1.ConditionTrue, reason) == nil
}

func roomReady(s *stage) bool { return isTrue(s.room(), v1alpha1.ReadyCondition, "") }

func setReady(s *stage) bool { return isTrue(s.breakoutSet(), v1alpha1.ReadyCondition, "") }

// leaving is whether people are called out of a room.
func leaving(s *stage, room v1alpha1.BreakoutRoomName) bool {
	return slices.ContainsFunc(s.breakoutSet().Status.Rooms, func(r v1alpha1.BreakoutRoomStatus) bool {
		return r.Name == room && r.State == v1alpha1.RoomLeaving
	})
}

// inRound is whether the present state was sent again, for the so manieth time.
func inRound(round int64) func(*stage) bool {
	return func(s *stage) bool {
		revision := s.breakoutSet().Status.Signals.Revision + round
		return slices.ContainsFunc(s.people(), func(p *person) bool {
			return slices.ContainsFunc(s.lists(p), func(l browser.RoomList) bool { return l.Revision == revision })
		})
	}
}

// openAndThere is whether the set is open as its spec asks, and everybody where its status says.
func openAndThere(s *stage) bool {
	return setReady(s) && isTrue(s.breakoutSet(), v1alpha1.OpenCondition, "") && s.allAt(s.plannedPlace)
}

// allReceived is whether everybody has received so many signals in this scene.
func (s *stage) allReceived(signals int) bool {
	return !slices.ContainsFunc(s.people(), func(p *person) bool { return len(s.receivedBy(p)) < signals })
}

// imbalance is what is unequal about the rooms of a set.
func imbalance(set *v1alpha1.BreakoutSet) []string {
	var sizes []int
	for _, r := range set.Status.Rooms {
		sizes = append(sizes, len(r.Participants))
	}
	if len(sizes) > 0 && slices.Max(sizes)-slices.Min(sizes) <= 1 {
		return nil
	}
	return []string{fmt.Sprintf("they hold %v", sizes)}
}

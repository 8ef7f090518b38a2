// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

// The objects of config/samples that the scenes are about.
const (
	className = "algebra-101"
	setName   = "groups"
)

// scenes are what the demo plays, in order: each goes on where the one before ended.
func scenes() []scene {
	return []scene{meeting(), opening(), closing()}
}

// meeting: the room is made, and everybody comes.
func meeting() scene {
	return scene{
		title:       "A class meets",
		edit:        applySamples("MeetingRoom"),
		settledWhat: "MeetingRoom " + className + " is Ready",
		settled: func(s *stage) bool {
			r := s.rooms[className]
			return r != nil && isCurrent(r, r.Status.Conditions, v1alpha1.ReadyCondition)
		},
		then: func(_ context.Context, s *stage) error { return s.joinAll(s.rooms[className]) },
		expect: func(s *stage, c *checks) {
			room := s.rooms[className]
			if room == nil {
				return
			}
			c.that(len(s.calls(simulator.OpCreateSession)) == 1, "the operator made exactly one session", "it made %d", len(s.calls(simulator.OpCreateSession)))
			c.that(len(s.class.people) == len(room.Spec.Participants), fmt.Sprintf("%d participants connected with the tokens from status", len(room.Spec.Participants)),
				"%d did", len(s.class.people))
			s.expectPlaces(c, "everybody is in main", func(string) string { return mainRoom })
			s.expectHeard(c, "nobody was told anything yet", nothing)
			s.expectWrites(c, "the room cost two writes: its finalizer, and its status with session and tokens", "patch", "update status")
		},
	}
}

// opening: breakout rooms open, and everybody goes to theirs.
func opening() scene {
	return scene{
		title:       "Breakout rooms open",
		edit:        applySamples("BreakoutSet"),
		settledWhat: "BreakoutSet " + setName + " is open and Ready, and everybody is where its status says",
		settled: func(s *stage) bool {
			b := s.sets[setName]
			return b != nil && isCurrent(b, b.Status.Conditions, v1alpha1.ReadyCondition) && isCurrent(b, b.Status.Conditions, v1alpha1.OpenCondition) &&
				s.allAt(s.plannedPlace)
		},
		expect: func(s *stage, c *checks) {
			set, students := s.sets[setName], s.students()
			if set == nil {
				return
			}
			c.that(len(s.calls(simulator.OpCreateSession)) == len(set.Spec.Rooms), fmt.Sprintf("the operator made exactly %d sessions, one for each room", len(set.Spec.Rooms)),
				"it made %d", len(s.calls(simulator.OpCreateSession)))
			s.expectHeard(c, "everybody was told exactly once: roomCreated (automatic)", everybody("roomCreated (automatic)"))
			s.expectSent(c, "that told each student the room of the set's status, and sent nobody else anywhere", students)
			c.none("the rooms hold equally many students, give or take one", imbalance(set))
			s.expectPlaces(c, "every student is in the own room, and the hosts are in main, connected once each", s.plannedPlace)
			s.expectChanges(c, "every student changed rooms exactly once, and nobody else did", students, 1)
			s.expectSignalCalls(c, mainRoom)
			s.expectWrites(c, "each breakout room cost two writes: its creation, and its status with session and tokens", "create", "update status")
		},
	}
}

// closing: everybody goes back, and the rooms go.
func closing() scene {
	return scene{
		title:       "The rooms close",
		edit:        patchSet("spec:\n  state: Closed\n  closeGraceSeconds: 8\n"),
		settledWhat: "BreakoutSet " + setName + " is closed and Ready, and its rooms are gone",
		settled: func(s *stage) bool {
			b := s.sets[setName]
			return b != nil && isCurrent(b, b.Status.Conditions, v1alpha1.ReadyCondition) && b.Status.State == v1alpha1.StateClosed &&
				len(s.children()) == 0 && s.rooms[className].Status.ActiveBreakoutSet == nil
		},
		expect: func(s *stage, c *checks) {
			told := slices.Collect(maps.Values(s.sessions))
			s.expectHeard(c, "everybody was told exactly once: allRoomRemoved", everybody("allRoomRemoved"))
			s.expectPlaces(c, "everybody is back in main, connected once each", func(string) string { return mainRoom })
			s.expectChanges(c, "every student changed rooms exactly once, and nobody else did", s.students(), 1)
			s.expectSignalCalls(c, told...)
			c.none("nobody is left in a breakout session", s.leftBehind())
			c.that(len(s.calls(simulator.OpForceDisconnect)) == 0, "nobody had to be disconnected", "%d were", len(s.calls(simulator.OpForceDisconnect)))
			c.that(len(s.children()) == 0, "the breakout rooms' MeetingRooms are gone", "there are still %s", strings.Join(s.children(), ", "))
			c.that(s.rooms[className].Status.ActiveBreakoutSet == nil, "the meeting room is free for other breakout sets", "it is held still")
		},
	}
}

// isCurrent is whether a condition is true and is about the object as it is now.
func isCurrent(object metav1.Object, conditions []metav1.Condition, kind string) bool {
	c := meta.FindStatusCondition(conditions, kind)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == object.GetGeneration()
}

// students are those whom a set may assign by itself.
func (s *stage) students() []string {
	var students []string
	for _, p := range s.rooms[className].Spec.Participants {
		if p.Role == v1alpha1.RoleParticipant || p.Role == "" {
			students = append(students, string(p.Name))
		}
	}
	return students
}

// plannedPlace is where somebody should be by the set's status.
func (s *stage) plannedPlace(name string) string {
	if set := s.sets[setName]; set != nil {
		for _, r := range set.Status.Rooms {
			if slices.Contains(r.Participants, v1alpha1.ParticipantName(name)) {
				return string(r.Name)
			}
		}
	}
	return mainRoom
}

// allAt is whether everybody is connected once, to where they should be, and stays.
func (s *stage) allAt(where func(name string) string) bool {
	return !s.class.busy() && !slices.ContainsFunc(s.class.people, func(p *person) bool {
		return !slices.Equal(s.class.places(p), []string{where(p.name)})
	})
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

// leftBehind is who is connected to the session of a breakout room.
func (s *stage) leftBehind() []string {
	var left []string
	for session, room := range s.sessions {
		if n := len(s.vonage.Connections(session)); room != mainRoom && n > 0 {
			left = append(left, fmt.Sprintf("%d in %s", n, room))
		}
	}
	return left
}

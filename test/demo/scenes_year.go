// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

const (
	// yearName is a meeting of many, yearSet its set.
	yearName = "year-7"
	yearSet  = "projects"

	// pupils is how many of them there are, and yearRooms how many rooms they go to: so many that a list does not fit
	// into one signal.
	pupils    = 100
	yearRooms = 50
)

// yearOpens: a list of rooms and people that one signal cannot hold.
func yearOpens() scene {
	return scene{
		title:   fmt.Sprintf("Meanwhile a whole year goes to %d rooms", yearRooms),
		meeting: yearName, set: yearSet,
		acts: []act{
			{
				do: apply(yearYAML(), fmt.Sprintf("a host and %d pupils", pupils)), until: roomReady,
				what: "MeetingRoom " + yearName + " is Ready",
			},
			{do: join},
			{
				do: apply(fmt.Sprintf(`apiVersion: breakout-operator.io/v1alpha1
kind: BreakoutSet
metadata:
  name: %s
spec:
  meetingRoomRef: {name: %s}
  replicas: %d
  closeGraceSeconds: 6
`, yearSet, yearName, yearRooms), ""),
				until: openAndThere, what: "BreakoutSet " + yearSet +
					" is open and Ready, and everybody is where its status says",
			},
		},
		expect: func(s *stage, c *checks) {
			students, sessions := s.students(), len(s.calls(simulator.OpCreateSession))
			c.that(sessions == yearRooms+1, fmt.Sprintf("the operator made exactly %d sessions", yearRooms+1),
				"it made %d", sessions)
			s.expectPages(c, created)
			s.expectSent(c, "that sent each pupil to the room of the set's status, and sent nobody else anywhere",
				students)
			c.none("the rooms hold equally many pupils", imbalance(s.breakoutSet()))
			s.expectPlaces(c,
				"every pupil is in the own room, with the sample app's page too, which takes each page for "+
					"the whole list", s.plannedPlace)
			s.expectChanges(c, "every pupil changed rooms exactly once, and nobody else did", students)
			for _, host := range s.withRole(v1alpha1.RoleHost) {
				rooms := s.person(host).page.Rooms()
				c.that(len(rooms) == yearRooms+1, "a host's page that puts the pages together lists all rooms",
					"it lists %d", len(rooms))
			}
			s.expectSignals(c, "the operator sent that message to main, once", toEach([]string{yearName}, created))
		},
	}
}

// yearCloses: rooms are scaled down to none.
func yearCloses() scene {
	return scene{
		title:   "The year's rooms are scaled to none",
		meeting: yearName, set: yearSet,
		acts: []act{{
			do: scaleSet(0),
			until: func(s *stage) bool {
				return setReady(s) && s.breakoutSet().Status.State == v1alpha1.StateOpen &&
					len(s.children()) == 0 && s.allAt(s.inMain)
			},
			what: "the set is open still and Ready, its rooms are gone, and everybody is back, connected once each",
		}},
		expect: func(s *stage, c *checks) {
			rounds := []string{moved, moved, roomEdited}
			inMain, inRooms := []string{roomEdited, moved, allRoomRemoved}, []string{moved, allRoomRemoved}
			s.expectReceived(c, "the host received the rounds of the opening, and exactly: "+strings.Join(inMain, ", ")+
				"; every pupil "+strings.Join(inRooms, ", ")+", the last in main", func(name string) []string {
				if slices.Contains(s.withRole(v1alpha1.RoleHost), name) {
					return slices.Concat(rounds, inMain)
				}
				return inRooms
			})
			s.expectWhole(c, "all pages of each message came")
			s.expectSent(c, "that sent every pupil to main, and nobody else anywhere", s.wereOut())
			s.expectChanges(c, "every pupil changed rooms exactly once, and nobody else did", s.wereOut())
			var rooms []string
			for i := range yearRooms {
				rooms = append(rooms, fmt.Sprintf("room-%d", i+1))
			}
			s.expectSignals(c, "the operator sent those to each session, and nothing else",
				merged(toEach(rooms, inRooms...), toEach([]string{yearName}, slices.Concat(rounds, inMain)...)))
			s.expectNobodyDisconnected(c)
		},
	}
}

// yearDeleted: the meeting is deleted.
func yearDeleted() scene {
	people := 0
	return scene{
		title:   "The year's meeting is deleted",
		meeting: yearName, set: yearSet,
		acts: []act{{
			do: each(func(_ context.Context, s *stage) error {
				people = len(s.people())
				return nil
			}, deleteMeeting()),
			until: func(s *stage) bool { return s.sets[yearSet] == nil && s.rooms[yearName] == nil },
			what:  "the set and the meeting room are gone",
		}},
		expect: func(s *stage, c *checks) {
			s.expectReceived(c, "nobody received anything", nothing)
			disconnected := len(s.calls(simulator.OpForceDisconnect))
			c.that(disconnected == people, "deleting the meeting room disconnected everybody in it",
				"it disconnected %d of %d", disconnected, people)
			left := s.class.dismiss(yearName)
			c.that(left == 0, "and nobody is left anywhere", "%d are", left)
		},
	}
}

// yearYAML is the meeting room of the year.
func yearYAML() string {
	var b strings.Builder
	fmt.Fprintf(&b,
		"apiVersion: breakout-operator.io/v1alpha1\nkind: MeetingRoom\nmetadata:\n  name: %s\nspec:\n  "+
			"participants:\n  - {name: Mr Gray, role: Host}\n", yearName)
	for _, name := range pupilNames(pupils) {
		fmt.Fprintf(&b, "  - {name: %s}\n", name)
	}
	return b.String()
}

// pupilNames are so many different names, at most 400.
func pupilNames(n int) []string {
	first := strings.Fields("Ada Björn Chloé Dmitri Elif Farid Grace Hana Ioana Jamal Kaito Léa Mira Noor Óscar " +
		"Priya Quinn Rosa Søren Tomás")
	last := strings.Fields("Abara Bianchi Çelik Dubois Eriksson Fischer García Haddad Ito Jansen Kowalski Lund " +
		"Moreau Novak Olsen Petrov Quist Rossi Silva Tanaka")
	var names []string
	for i := range n {
		names = append(names, first[i%len(first)]+" "+last[(i/len(first)+i)%len(last)])
	}
	return names
}

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// roomsEdited: rooms are renamed, resized, added and removed, all in one edit.
func roomsEdited() scene {
	return scene{
		title: "Rooms are renamed, resized, added and removed, in one edit",
		acts: []act{{
			do: patchSet(`spec:
  closeGraceSeconds: 6
  rooms:            # green is gone, and yellow is new
  - name: red
    displayName: Crimson team
  - name: blue
    displayName: Blue team
    maxParticipants: 4
  - name: yellow
    displayName: Yellow team
`),
			until: func(s *stage) bool { return openAndThere(s) && s.rooms[setName+"-green"] == nil },
			what:  "the set is Ready, everybody is where its status says, and room green is gone",
		}},
		expect: func(s *stage, c *checks) {
			told := []string{roomEdited, roomAdded, moved, roomRemoved}
			s.expectHeard(c, "everybody was told exactly: "+strings.Join(told, ", "), everybody(told...))
			s.expectSent(c, "that sent the people of green to the room of the set's status, and nobody else anywhere",
				s.wereIn("green"))
			s.expectPlaces(c, "everybody is in the own room, connected once", s.plannedPlace)
			s.expectChanges(c, "the people of green changed rooms exactly once, and nobody else did", s.wereIn("green"))
			s.expectKnown(c, "every page shows the present rooms, names and sizes, the own room's too")
			s.expectSignals(c,
				"the operator sent those to main, red, blue and green, and to yellow what came after it was there",
				merged(toEach([]string{mainRoom, "red", "blue", "green"}, told...),
					toEach([]string{"yellow"}, roomRemoved)))
			c.that(len(s.calls(simulator.OpCreateSession)) == 1, "the operator made exactly one session, for yellow",
				"it made %d", len(s.calls(simulator.OpCreateSession)))
			s.expectNobodyDisconnected(c)
		},
	}
}

// peopleMoved: some are placed elsewhere.
func peopleMoved() scene {
	var host, mover, leaver string
	return scene{
		title: "Placements move one student to another room, one back to main, and the host into a room",
		acts: []act{{
			do: byState(func(s *stage) (edit, error) {
				hosts, red, blue := s.withRole(v1alpha1.RoleHost), s.wereIn("red"), s.wereIn("blue")
				if len(hosts) == 0 || len(red) == 0 || len(blue) == 0 {
					return nil, errNobody
				}
				host, mover, leaver = hosts[0], red[0], blue[0]
				return patchSet(fmt.Sprintf(`spec:
  assignment:
    placements:
    - participant: %s
      room: blue
    - participant: %s
      room: main
    - participant: %s
      room: red
`, mover, leaver, host)), nil
			}),
			until: func(s *stage) bool {
				return openAndThere(s) && s.plannedPlace(mover) == "blue" &&
					fixture.Token(s.child("red"), mover) == "" && fixture.Token(s.child("blue"), leaver) == ""
			},
			what: "the set is Ready, everybody is where they were placed, and who left a room has no token for " +
				"it any more",
		}},
		expect: func(s *stage, c *checks) {
			placed := []string{mover, leaver, host}
			want := map[string]string{mover: "blue", leaver: mainRoom, host: "red"}
			s.expectHeard(c, "everybody was told exactly once: "+moved+", when those who need a new token had it",
				everybody(moved))
			s.expectSent(c, "that sent each of the three to the own place once, and nobody else anywhere", placed)
			s.expectPlaces(c, "the three are there, and everybody else is where they were", func(name string) string {
				if to := want[name]; to != "" {
					return to
				}
				return list(s.mark().places[name])
			})
			s.expectChanges(c, "the three changed rooms exactly once, and nobody else did", placed)
			s.expectKnown(c, "every page shows the present rooms, the own room's name too")
			s.expectSignals(c, "the operator sent that to each session, and nothing else",
				toEach([]string{mainRoom, "red", "blue", "yellow"}, moved))
		},
	}
}

// newcomer is somebody who comes late.
const newcomer = "Zoë Novak"

// peopleCome: somebody is promoted, and somebody comes late.
func peopleCome() scene {
	var promoted, emptiest string
	leads := func(s *stage) bool {
		rooms := []*v1alpha1.MeetingRoom{s.room(), s.child("red"), s.child("blue"), s.child("yellow")}
		return !slices.ContainsFunc(rooms, func(r *v1alpha1.MeetingRoom) bool {
			return !slices.ContainsFunc(r.Status.Tokens, func(t v1alpha1.ParticipantToken) bool {
				return string(t.Participant) == promoted && t.Role == v1alpha1.RoleCoHost
			})
		})
	}
	return scene{
		title: "Somebody becomes co-host, and somebody comes late",
		acts: []act{
			{
				do: byState(func(s *stage) (edit, error) {
					red := slices.DeleteFunc(s.wereIn("red"), func(name string) bool {
						return !slices.Contains(s.students(), name)
					})
					if len(red) == 0 {
						return nil, errNobody
					}
					promoted = red[0]
					i := slices.IndexFunc(s.room().Spec.Participants, func(p v1alpha1.Participant) bool {
						return string(p.Name) == promoted
					})
					return patchRoom(fmt.Sprintf(`- {op: add, path: /spec/participants/%d/role, value: CoHost}   # %s
- {op: add, path: /spec/tokens, value: {shared: [Participant]}}
`, i, promoted)), nil
				}),
				until: func(s *stage) bool {
					return leads(s) && roomReady(s) && len(s.room().Status.SharedTokens) == 1 && setReady(s) &&
						s.allHeard(1)
				},
				what: "the new co-host has a co-host's token for every room, main has one that names nobody, and " +
					"everybody was told",
			},
			{do: comeUnknown(newcomer)},
			{
				do: annotateSet(v1alpha1.ResendAnnotation, "for-"+strings.Fields(newcomer)[0]),
				until: func(s *stage) bool {
					return s.breakoutSet().Status.LastHandledResend != "" &&
						s.breakoutSet().Status.Signals.Pending == nil && len(s.heardBy(s.person(newcomer))) > 0
				},
				what: "the late one's page was told the rooms, by telling all once more",
			},
			{
				do: byState(func(s *stage) (edit, error) {
					emptiest = s.emptiestRoom()
					return patchRoom(fmt.Sprintf("- {op: add, path: /spec/participants/-, value: {name: %s}}\n",
						newcomer)), nil
				}),
				until: func(s *stage) bool { return s.plannedPlace(newcomer) != mainRoom && openAndThere(s) },
				what:  "the set is Ready, and everybody is where its status says, the late one too",
			},
		},
		expect: func(s *stage, c *checks) {
			s.expectHeard(c,
				"everybody was told exactly: update-participant; roomEdited, once more; participantMoved, of "+
					"the late one", func(name string) []string {
					if name == newcomer {
						return []string{roomEdited, moved}
					}
					return []string{typeUpdateParticipant, roomEdited, moved}
				})
			s.expectSent(c, "that sent the late one to the room of the set's status, and nobody else anywhere",
				[]string{newcomer})
			c.that(s.plannedPlace(newcomer) == emptiest, "the late one is in the room that was the emptiest, "+emptiest,
				"they are in %s", s.plannedPlace(newcomer))
			s.expectPlaces(c, "everybody is in the own room, connected once", s.plannedPlace)
			s.expectChanges(c, "the late one changed rooms exactly once, and nobody else did", []string{newcomer})
			s.expectKnown(c, "every page shows the present rooms, the late one's too")
			page := s.person(promoted).page
			c.that(page.Panel() && s.plannedPlace(promoted) == "red", promoted+
				", the new co-host, is where they were, and their page shows the control panel",
				"panel: %t, room: %s", page.Panel(), s.plannedPlace(promoted))
			s.expectSignals(c, "the operator sent those to each session, and nothing else",
				toEach([]string{mainRoom, "red", "blue", "yellow"}, typeUpdateParticipant, roomEdited, moved))
		},
	}
}

// comeUnknown lets somebody who is not on the roster join with the token that names nobody.
func comeUnknown(name string) edit {
	return func(_ context.Context, s *stage) error {
		if len(s.room().Status.SharedTokens) == 0 {
			return fmt.Errorf("the status of MeetingRoom %s has no token that names nobody", s.meeting)
		}
		err := s.class.join(joining{name: name, main: pageOf(s.room()), token: s.room().Status.SharedTokens[0].Token},
			time.Now())
		if err != nil {
			return err
		}
		s.lastNews[s.meeting] = time.Now()
		s.bulletin.say(time.Now(), name, "joins main with the token that names nobody")
		return nil
	}
}

// emptiestRoom is the set's first room with the fewest people.
func (s *stage) emptiestRoom() string {
	rooms := s.breakoutSet().Status.Rooms
	if len(rooms) == 0 {
		return ""
	}
	least := slices.MinFunc(rooms, func(a, b v1alpha1.BreakoutRoomStatus) int {
		return len(a.Participants) - len(b.Participants)
	})
	return string(least.Name)
}

// signalsSent: RoomSignals go to all rooms, or to some, in their order.
func signalsSent() scene {
	var asks string
	const custom = "show-page"
	return scene{
		title: "A message, a raised hand, and a signal of one's own, one right after the other",
		acts: []act{{
			do: each(
				createSample("signals/message.yaml"),
				byState(func(s *stage) (edit, error) {
					blue := s.wereIn("blue")
					if len(blue) == 0 {
						return nil, errNobody
					}
					asks = blue[0]
					return create(fmt.Sprintf(`apiVersion: breakout-operator.io/v1alpha1
kind: RoomSignal
metadata: {generateName: raise-hand-}
spec:
  breakoutSetRef: {name: groups}
  raiseHand: {participant: %s, room: blue}
`, asks)), nil
				}),
				createSample("signals/custom.yaml"),
			),
			until: func(s *stage) bool {
				signals := s.newSignals()
				return len(signals) == 3 &&
					!slices.ContainsFunc(signals, func(r *v1alpha1.RoomSignal) bool {
						return r.Status.CompletionTime == nil
					})
			},
			what: "all three are done with",
		}},
		expect: func(s *stage, c *checks) {
			all, some := []string{typeMessage, typeRaiseHand, custom}, []string{typeMessage, typeRaiseHand}
			s.expectHeard(c,
				"everybody heard the message and the raised hand, and then those in red and main the signal of one's "+
					"own, each exactly once and in this order", func(name string) []string {
					if at := s.plannedPlace(name); at == mainRoom || at == "red" {
						return all
					}
					return some
				})
			c.none("the message says to whom it goes, and the raised hand where it was raised", s.wrongContents(asks))
			s.expectSignals(c, "the operator sent those once to each session, and nothing else",
				merged(toEach([]string{mainRoom, "red"}, all...), toEach([]string{"blue", "yellow"}, some...)))
			var problems []string
			for _, r := range s.newSignals() {
				want := "main Accepted, red Accepted, blue Accepted, yellow Accepted"
				if r.Spec.Custom != nil {
					want = "red Accepted, main Accepted"
				}
				if got := deliveries(r); got != want || !isTrue(r, v1alpha1.DeliveredCondition, "") {
					problems = append(problems, fmt.Sprintf("%s: %s", r.Name, got))
				}
			}
			c.none("each RoomSignal is Delivered, and its status says so of each room", problems)
			s.expectChanges(c, "nobody changed rooms", nil)
		},
	}
}

// newSignals are the RoomSignals of the scene.
func (s *stage) newSignals() []*v1alpha1.RoomSignal {
	var signals []*v1alpha1.RoomSignal
	for _, name := range slices.Sorted(maps.Keys(s.roomSignals)) {
		if !s.mark().signals[name] {
			signals = append(signals, s.roomSignals[name])
		}
	}
	return signals
}

// wrongContents is what is wrong with the messages and raised hands that people heard in this scene.
func (s *stage) wrongContents(asks string) []string {
	var problems []string
	for _, p := range s.people() {
		at := s.plannedPlace(p.name)
		for _, h := range s.heardBy(p) {
			var got struct {
				Name           string
				Text           string
				ToBreakoutRoom *string
				FromRoom       struct{ ID, Name string }
			}
			if h.typ != typeMessage && h.typ != typeRaiseHand {
				continue
			}
			switch err := json.Unmarshal([]byte(h.data), &got); {
			case err != nil:
				problems = append(problems, fmt.Sprintf("%s: %v", p.name, err))
			case h.typ == typeRaiseHand:
				if got.Name != asks || got.FromRoom.ID != setName+"-blue" ||
					got.FromRoom.Name != s.displayName("blue") {
					problems = append(problems, p.name+" received "+h.data)
				}
			case (got.ToBreakoutRoom == nil) != (at == mainRoom) ||
				(got.ToBreakoutRoom != nil && *got.ToBreakoutRoom != s.displayName(at)):
				problems = append(problems, p.name+" received "+h.data)
			}
		}
	}
	return problems
}

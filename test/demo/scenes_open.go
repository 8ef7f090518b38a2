// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
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
			until: func(s *stage) bool { return leaving(s, "green") && s.allAt(s.plannedPlace) },
			what:  "room green is Leaving, and everybody is where the set's status says",
		}},
		expect: func(s *stage, c *checks) {
			inMain := []string{roomEdited, roomAdded, moved}
			s.expectReceived(c, "main received exactly: "+strings.Join(inMain, ", ")+"; green "+moved+", at once for "+
				"hosts who may be there, and again when its people may be sent elsewhere; blue "+roomEdited+"; and "+
				"red nothing, since it keeps its name while people are on their way to it", func(name string) []string {
				switch list(s.mark().places[name]) {
				case mainRoom:
					return inMain
				case "green":
					return []string{moved, moved}
				case "blue":
					return []string{roomEdited}
				default:
					return nil
				}
			})
			s.expectSent(c, "that sent the people of green to the room of the set's status, and nobody else anywhere",
				s.wereIn("green"))
			s.expectPlaces(c, "everybody is in the own room, connected once", s.plannedPlace)
			s.expectChanges(c, "the people of green changed rooms exactly once, and nobody else did", s.wereIn("green"))
			s.expectSignals(c, "the operator sent those to main, green and blue, and nothing else",
				map[string][]string{mainRoom: inMain, "green": {moved, moved}, "blue": {roomEdited}})
			c.that(len(s.calls(simulator.OpCreateSession)) == 1, "the operator made exactly one session, for yellow",
				"it made %d", len(s.calls(simulator.OpCreateSession)))
			c.that(!setReady(s), "the set is not Ready yet, since the room's end and the new name are not delivered",
				"it is")
		},
	}
}

// roomRemoved: people had the time to leave a room, and it goes.
func roomRemoved() scene {
	return scene{
		title: "The room that was removed is gone, and red has its new name",
		acts: []act{{
			until: func(s *stage) bool {
				return openAndThere(s) && s.rooms[setName+"-green"] == nil && inRound(1)(s)
			},
			what: "the set is Ready, room green is gone, and what somebody may have missed was sent again",
		}},
		expect: func(s *stage, c *checks) {
			inMain := []string{roomEdited, removed, roomEdited, moved}
			s.expectReceived(c, "main received exactly: "+strings.Join(inMain, ", ")+"; and red and blue "+roomEdited+
				", red for the first time", func(name string) []string {
				switch list(s.mark().places[name]) {
				case mainRoom:
					return inMain
				case "red", "blue":
					return []string{roomEdited}
				default:
					return nil
				}
			})
			s.expectSent(c, "that sent nobody anywhere", nil)
			s.expectChanges(c, "nobody changed rooms", nil)
			s.expectKnown(c, "every page shows the own room's name, and the leaders' pages all rooms, names and sizes")
			s.expectSignals(c, "the operator sent those to main, red and blue, "+removed+" to green, and nothing else",
				map[string][]string{mainRoom: inMain, "red": {roomEdited}, "blue": {roomEdited}, "green": {removed}})
			s.expectNobodyDisconnected(c)
		},
	}
}

// classRests: the rounds move nobody who is there.
func classRests() scene {
	return scene{
		title: "The class's rounds are over, and nobody noticed",
		acts:  []act{{until: roundsOver, what: "the set is Ready, and nobody is on the way any more"}},
		expect: func(s *stage, c *checks) {
			inMain := []string{moved, roomEdited, typeUpdateParticipant}
			s.expectReceived(c, "main received exactly: "+strings.Join(inMain, ", ")+"; and nobody else anything",
				func(name string) []string {
					if list(s.mark().places[name]) == mainRoom {
						return inMain
					}
					return nil
				})
			s.expectSent(c, "that sent nobody anywhere", nil)
			s.expectChanges(c, "nobody changed rooms", nil)
			s.expectSignals(c, "the operator sent those to main, and nothing else",
				toEach([]string{mainRoom}, inMain...))
			s.expectMoving(c)
		},
	}
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
			what: "all three are complete",
		}},
		expect: func(s *stage, c *checks) {
			all, some := []string{typeMessage, typeRaiseHand, custom}, []string{typeMessage, typeRaiseHand}
			s.expectReceived(c,
				"everybody received the message and the raised hand, and then those in red and main the signal of "+
					"one's own, each exactly once and in this order", func(name string) []string {
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

// wrongContents is what is wrong with the messages and raised hands that people received in this scene.
func (s *stage) wrongContents(asks string) []string {
	var problems []string
	for _, p := range s.people() {
		at := s.plannedPlace(p.name)
		for _, h := range s.receivedBy(p) {
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

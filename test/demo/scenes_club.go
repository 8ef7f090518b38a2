// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

const (
	// clubName is a meeting of a few, clubSet its set.
	clubName = "book-club"
	clubSet  = "circles"

	// clubYAML are both; who is late, and who has no network, when the rooms open.
	clubYAML = `apiVersion: breakout-operator.io/v1alpha1
kind: MeetingRoom
metadata:
  name: book-club
spec:
  participants:
  - {name: Ms Lee, role: Host}
  - {name: Ann}
  - {name: Ben}
  - {name: Cleo}
  - {name: Dan}
  - {name: Eve}
  - {name: Finn}
  - {name: Gus}
  - {name: Hana}
`
	clubSetYAML = `apiVersion: breakout-operator.io/v1alpha1
kind: BreakoutSet
metadata:
  name: circles
spec:
  meetingRoomRef: {name: book-club}
  rooms:
  - name: novels
  - name: poems
  - name: essays
`
	clubLate, clubLost = "Hana", "Dan"

	// cutOffFor is how long somebody has no network.
	cutOffFor = 10 * time.Second
)

// clubRooms are the sessions of the club.
func clubRooms() []string { return []string{clubName, "novels", "poems", "essays"} }

// clubOpens: somebody misses that the rooms are open, for want of a network, and somebody else is late.
func clubOpens() scene {
	return scene{
		title:   "A club opens its rooms while one of them is off the network, and another is late",
		meeting: clubName, set: clubSet,
		acts: []act{
			{do: apply(clubYAML, ""), until: roomReady, what: "MeetingRoom " + clubName + " is Ready"},
			{do: each(joinBut(clubLate), cutOff(clubLost))},
			{
				do: apply(clubSetYAML, ""),
				until: func(s *stage) bool {
					return setReady(s) && isTrue(s.breakoutSet(), v1alpha1.OpenCondition, "") && s.allAtBut(clubLost)
				},
				what: "BreakoutSet " + clubSet + " is open and Ready, and who has a network is where its status says",
			},
		},
		expect: func(s *stage, c *checks) {
			s.expectReceived(c, "everybody but "+clubLost+" received exactly: "+created, func(name string) []string {
				if name == clubLost {
					return nil
				}
				return []string{created}
			})
			s.expectChanges(c, "everybody but "+clubLost+" and the host changed rooms exactly once",
				slices.DeleteFunc(s.students(), func(name string) bool { return name == clubLost }))
			s.expectSignals(c, "the operator sent one signal, to "+clubName, toEach([]string{clubName}, created))
			s.expectMoving(c, s.students()...)
		},
	}
}

// cutOff takes somebody's network for a while.
func cutOff(name string) edit {
	return func(_ context.Context, s *stage) error {
		p := s.person(name)
		if p == nil {
			return errNobody
		}
		now := time.Now()
		s.class.cutOff(p, now.Add(cutOffFor))
		s.bulletin.say(now, name, fmt.Sprintf("is off the network for %s", cutOffFor))
		return nil
	}
}

// expectMoving expects the set to say that exactly these people are on their way, and not that they have arrived.
func (s *stage) expectMoving(c *checks, people ...string) {
	var moving []string
	for _, name := range s.breakoutSet().Status.Signals.Moving {
		moving = append(moving, string(name))
	}
	slices.Sort(moving)
	want := slices.Sorted(slices.Values(people))
	what := "the set's status has nobody on the way"
	if len(want) > 0 {
		what = "the set's status has these on the way: " + some(want, fewNames)
	}
	c.that(slices.Equal(moving, want), what, "it has %s", some(moving, fewNames))
}

// roundsOver is whether nobody is on the way any more, and nothing is sent again.
func roundsOver(s *stage) bool {
	signals := s.breakoutSet().Status.Signals
	return setReady(s) && len(signals.Moving) == 0 && len(signals.Sessions) == 0
}

// rounds are the signals to who leads, of the rounds after people were sent somewhere.
func rounds() []string { return []string{moved, moved, roomEdited} }

// clubArrives: who missed it is sent there again.
func clubArrives() scene {
	return scene{
		title:   "The club's rounds are over, by which " + clubLost + " got there",
		meeting: clubName, set: clubSet,
		acts: []act{{until: roundsOver, what: "the set is Ready, and nobody is on the way any more"}},
		expect: func(s *stage, c *checks) {
			s.expectReceived(c, fmt.Sprintf("%s received one %s, the host two and a %s that ends them, and nobody "+
				"else anything", clubLost, moved, roomEdited), func(name string) []string {
				switch {
				case name == clubLost:
					return []string{moved}
				case slices.Contains(s.withRole(v1alpha1.RoleHost), name):
					return rounds()
				default:
					return nil
				}
			})
			s.expectSent(c, "that sent "+clubLost+" to the room of the set's status, and nobody else anywhere",
				[]string{clubLost})
			s.expectChanges(c, clubLost+" changed rooms exactly once, and nobody else did", []string{clubLost})
			s.expectPlaces(c, "everybody who came is where the status says, connected once", s.plannedPlace)
			s.expectSignals(c, "the operator sent those to "+clubName+", and nothing else",
				toEach([]string{clubName}, rounds()...))
		},
	}
}

// clockEdited: there is a time limit, a longer one, and none, while pages count down.
func clockEdited() scene {
	return scene{
		title:   "The club's time limit is set, extended, and withdrawn while browsers count down",
		meeting: clubName, set: clubSet,
		acts: []act{
			{
				do: patchSet("spec:\n  durationSeconds: 600\n  warningSeconds: 20\n"), until: deliveredInAll(1),
				what: "everybody received it, and the set is Ready",
			},
			{
				do:    patchSet("spec:\n  durationSeconds: 900\n  warningSeconds: 900\n  returnMode: Manual\n"),
				until: func(s *stage) bool { return deliveredInAll(2)(s) && s.counting() == len(s.people()) },
				what:  "everybody received the longer time, the set is Ready, and every page counts down",
			},
			{
				do: patchSet("spec:\n  durationSeconds: null\n"), until: deliveredInAll(3),
				what: "everybody received that there is no limit, and the set is Ready",
			},
		},
		expect: func(s *stage, c *checks) {
			s.expectReceived(c, "everybody received exactly: 10 minutes from the opening on; 15, shown all the time; "+
				"a countdown that ends in a year, since pages break when they lose theirs", everybody(
				"count-down-timer (10m0s, shown for the last 20 s)",
				"count-down-timer (15m0s, shown for the last 900 s)",
				"count-down-timer (ends in a year)"))
			s.expectChanges(c, "nobody changed rooms", nil)
			s.expectSignals(c, "the operator sent those to each session, and nothing else",
				toEach(clubRooms(), typeCountDownTimer, typeCountDownTimer, typeCountDownTimer))
			st := s.breakoutSet().Status
			c.that(st.ClosesAt == nil && st.Timer != nil && st.Timer.DurationSeconds == 0,
				"the set's status has no end any more, and the countdown that browsers have instead",
				"closesAt is %v, the timer %v", st.ClosesAt, st.Timer)
			s.expectMoving(c)
		},
	}
}

// counting is how many pages show a countdown.
func (s *stage) counting() int {
	n := 0
	for _, p := range s.people() {
		if _, shown := p.page.Countdown(); shown {
			n++
		}
	}
	return n
}

// clubRecalled: people who are not where they belong, and whom nobody sends there, are asked for by name.
func clubRecalled() scene {
	var reloaded, returned string
	recalled := func() []string { return []string{clubLate, reloaded, returned} }
	return scene{
		title:   "One comes late, one loads the page anew, one goes back by themselves, and a RoomSignal recalls them",
		meeting: clubName, set: clubSet,
		acts: []act{
			{
				do: func(_ context.Context, s *stage) error {
					novels, poems := s.restIn("novels"), s.restIn("poems")
					if len(novels) == 0 || len(poems) == 0 {
						return errNobody
					}
					reloaded, returned = novels[0], poems[0]
					if err := s.joinAll(); err != nil {
						return err
					}
					s.bulletin.say(time.Now(), reloaded, "loads the page anew")
					s.class.reload(s.person(reloaded), time.Now())
					s.bulletin.say(time.Now(), returned, "goes back by themselves")
					s.class.goBack(s.person(returned), time.Now())
					return nil
				},
				until: func(s *stage) bool {
					return s.allAt(func(name string) string {
						if slices.Contains(recalled(), name) {
							return clubName
						}
						return s.plannedPlace(name)
					})
				},
				what: "these three are in " + clubName + ", and everybody else is where the status says",
			},
			{
				do: byState(func(*stage) (edit, error) {
					return create(fmt.Sprintf(`apiVersion: breakout-operator.io/v1alpha1
kind: RoomSignal
metadata: {generateName: recall-}
spec:
  breakoutSetRef: {name: %s}
  recall: {participants: [%s]}
`, clubSet, strings.Join(recalled(), ", "))), nil
				}),
				until: func(s *stage) bool {
					signals := s.newSignals()
					return len(signals) == 1 && signals[0].Status.CompletionTime != nil && s.allAt(s.plannedPlace)
				},
				what: "the RoomSignal is complete, and everybody is where the status says",
			},
		},
		expect: func(s *stage, c *checks) {
			s.expectReceived(c, "everybody received exactly once: "+moved, everybody(moved))
			s.expectSent(c, "that sent the three to the room of the set's status, and nobody else anywhere", recalled())
			s.expectPlaces(c, "everybody is there, connected once", s.plannedPlace)
			s.expectChangesEach(c, "the one who went back changed rooms twice, the other two once, and nobody else did",
				map[string]int{clubLate: 1, reloaded: 1, returned: 2})
			s.expectKnown(c, "every page shows the own room's name, and the host's page the rooms")
			s.expectSignals(c, "the operator sent that to each session, and nothing else", toEach(clubRooms(), moved))
			s.expectMoving(c, append(recalled(), s.mark().moving...)...)
			for _, r := range s.newSignals() {
				c.that(deliveries(r) == "main Accepted, novels Accepted, poems Accepted, essays Accepted" &&
					isTrue(r, v1alpha1.DeliveredCondition, ""),
					"the RoomSignal is Delivered, and its status says so of each room", "it says %s", deliveries(r))
			}
		},
	}
}

// clubRests: the rounds after a recall move nobody who is there.
func clubRests() scene {
	return scene{
		title:   "The club's rounds are over, and nobody noticed",
		meeting: clubName, set: clubSet,
		acts: []act{{until: roundsOver, what: "the set is Ready, and nobody is on the way any more"}},
		expect: func(s *stage, c *checks) {
			leaders := []string{clubName, "novels"}
			s.expectReceived(c, fmt.Sprintf("everybody received exactly two %s; and %s and novels, where there is a "+
				"host, a %s that ends them", moved, clubName, roomEdited), func(name string) []string {
				if slices.Contains(leaders, list(s.mark().places[name])) {
					return rounds()
				}
				return []string{moved, moved}
			})
			s.expectSent(c, "which sent nobody anywhere", nil)
			s.expectChanges(c, "nobody changed rooms", nil)
			s.expectSignals(c, "the operator sent those to each session, and nothing else",
				merged(toEach(clubRooms(), moved, moved), toEach(leaders, rounds()...)))
			c.none("every room has tokens for those who belong there and the host, and nobody who was on the way "+
				"through has one any more", s.wrongGuests())
			s.expectMoving(c)
			c.that(len(s.calls(simulator.OpForceDisconnect)) == 0, "nobody had to be disconnected", "%d were",
				len(s.calls(simulator.OpForceDisconnect)))
		},
	}
}

// wrongGuests are those who have a token for a breakout room that they neither belong to nor lead, or the other way
// round.
func (s *stage) wrongGuests() []string {
	var problems []string
	for _, r := range s.openRooms() {
		for _, p := range s.room().Spec.Participants {
			belongs := cmp.Or(p.Role, v1alpha1.RoleParticipant) != v1alpha1.RoleParticipant ||
				slices.Contains(r.Participants, p.Name)
			if has := fixture.Token(s.child(string(r.Name)), string(p.Name)) != ""; has != belongs {
				problems = append(problems, fmt.Sprintf("%s has a token for %s: %t", p.Name, r.Name, has))
			}
		}
	}
	return problems
}

// restIn are the students who were in a room when the scene began, and not on the way.
func (s *stage) restIn(room string) []string {
	return slices.DeleteFunc(s.wereIn(room), func(name string) bool {
		return !slices.Contains(s.students(), name) || slices.Contains(s.mark().moving, name)
	})
}

// peopleMoved: some are placed elsewhere.
func peopleMoved() scene {
	var host, mover, leaver string
	return scene{
		title:   "Placements move one member to another room, one back to the main room, and the host into a room",
		meeting: clubName, set: clubSet,
		acts: []act{{
			do: byState(func(s *stage) (edit, error) {
				hosts, novels, poems := s.withRole(v1alpha1.RoleHost), s.wereIn("novels"), s.wereIn("poems")
				if len(hosts) == 0 || len(novels) == 0 || len(poems) == 0 {
					return nil, errNobody
				}
				host, mover, leaver = hosts[0], novels[0], poems[0]
				return patchSet(fmt.Sprintf(`spec:
  assignment:
    placements:
    - participant: %s
      room: poems
    - participant: %s
      room: main
    - participant: %s
      room: novels
`, mover, leaver, host)), nil
			}),
			until: func(s *stage) bool { return openAndThere(s) && s.plannedPlace(mover) == "poems" },
			what:  "the set is Ready, and everybody is where they were placed",
		}},
		expect: func(s *stage, c *checks) {
			placed := []string{mover, leaver, host}
			want := map[string]string{mover: "poems", leaver: clubName, host: "novels"}
			concerned := []string{clubName, "novels", "poems"}
			s.expectReceived(c, "everybody in these rooms received exactly once: "+moved+", when those who need a new "+
				"token had it; and essays nothing", func(name string) []string {
				if slices.Contains(concerned, list(s.mark().places[name])) {
					return []string{moved}
				}
				return nil
			})
			s.expectSent(c, "that sent each of the three to the own place once, and nobody else anywhere", placed)
			s.expectPlaces(c, "the three are there, and everybody else is where they were", func(name string) string {
				if to := want[name]; to != "" {
					return to
				}
				return list(s.mark().places[name])
			})
			s.expectChanges(c, "the three changed rooms exactly once, and nobody else did", placed)
			s.expectKnown(c, "every page shows the own room's name, and the leader's page all rooms")
			s.expectSignals(c, "the operator sent that to these sessions, and nothing else", toEach(concerned, moved))
			s.expectMoving(c, placed...)
		},
	}
}

const (
	// newcomer is somebody who comes late, and guest somebody who is on no list.
	newcomer = "Zoë Novak"
	guest    = "Ivo"
)

// peopleCome: somebody is promoted, somebody comes late, and somebody comes whom nobody knows.
func peopleCome() scene {
	var promoted, emptiest string
	leads := func(s *stage) bool {
		rooms := []*v1alpha1.MeetingRoom{s.room(), s.child("novels"), s.child("poems"), s.child("essays")}
		return !slices.ContainsFunc(rooms, func(r *v1alpha1.MeetingRoom) bool {
			return !slices.ContainsFunc(r.Status.Tokens, func(t v1alpha1.ParticipantToken) bool {
				return string(t.Participant) == promoted && t.Role == v1alpha1.RoleCoHost
			})
		})
	}
	return scene{
		title:   "Somebody becomes co-host, somebody comes late, and a guest receives the rooms",
		meeting: clubName, set: clubSet,
		acts: []act{
			{
				do: byState(func(s *stage) (edit, error) {
					novels := s.restIn("novels")
					if len(novels) == 0 {
						return nil, errNobody
					}
					promoted = novels[0]
					i := slices.IndexFunc(s.room().Spec.Participants, func(p v1alpha1.Participant) bool {
						return string(p.Name) == promoted
					})
					return patchRoom(fmt.Sprintf(`- {op: add, path: /spec/participants/%d/role, value: CoHost}   # %s
- {op: add, path: /spec/tokens, value: {shared: [Participant]}}
`, i, promoted)), nil
				}),
				until: func(s *stage) bool {
					return leads(s) && roomReady(s) && len(s.room().Status.SharedTokens) == 1 && setReady(s) &&
						s.allReceived(1)
				},
				what: "the new co-host has a co-host's token for every room, the main room has one that names " +
					"nobody, and everybody received who leads",
			},
			{do: comeUnknown(newcomer)},
			{
				do: byState(func(s *stage) (edit, error) {
					emptiest = s.emptiestRoom()
					return patchRoom(fmt.Sprintf("- {op: add, path: /spec/participants/-, value: {name: %s}}\n",
						newcomer)), nil
				}),
				until: func(s *stage) bool { return s.plannedPlace(newcomer) != clubName && openAndThere(s) },
				what:  "the set is Ready, and everybody is where its status says, the late one too",
			},
			{do: comeUnknown(guest)},
			{
				do: annotateSet(v1alpha1.ResendAnnotation, "for-"+guest),
				until: func(s *stage) bool {
					return s.breakoutSet().Status.LastHandledResend != "" && setReady(s) && openAndThere(s)
				},
				what: "everything was sent once more, and everybody is where the set's status says",
			},
		},
		expect: func(s *stage, c *checks) {
			const year = "count-down-timer (ends in a year)"
			again := []string{year, roomEdited, moved, typeUpdateParticipant}
			// In the main room the late one is named ten seconds after the first time.
			inMain := []string{year, roomEdited, moved, moved, typeUpdateParticipant}
			leaders := []string{clubName, "novels"}
			s.expectReceived(c, "everybody received exactly: "+typeUpdateParticipant+"; "+clubName+" and novels, "+
				"where there are leaders, "+moved+", of the late one; and all sessions everything once more: "+
				strings.Join(again, ", "), func(name string) []string {
				switch {
				case name == newcomer:
					return slices.Concat([]string{moved}, again)
				case name == guest:
					return inMain
				case list(s.mark().places[name]) == clubName:
					return slices.Concat([]string{typeUpdateParticipant, moved}, inMain)
				case slices.Contains(leaders, list(s.mark().places[name])):
					return slices.Concat([]string{typeUpdateParticipant, moved}, again)
				default:
					return slices.Concat([]string{typeUpdateParticipant}, again)
				}
			})
			s.expectSent(c, "that sent the late one to the room of the set's status, and nobody else anywhere",
				[]string{newcomer})
			c.that(s.plannedPlace(newcomer) == emptiest, "the late one is in the room that was the emptiest, "+emptiest,
				"they are in %s", s.plannedPlace(newcomer))
			s.expectPlaces(c, "everybody is in the own room, connected once", s.plannedPlace)
			s.expectChanges(c, "the late one changed rooms exactly once, and nobody else did", []string{newcomer})
			s.expectKnown(c, "every page shows the own room's name, and the leaders' pages all rooms")
			rooms := len(s.person(guest).page.Rooms())
			c.that(rooms == len(clubRooms()), "the guest's page lists the rooms", "it lists %d", rooms)
			page := s.person(promoted).page
			c.that(page.Panel() && s.plannedPlace(promoted) == "novels", promoted+
				", the new co-host, is where they were, and their page shows the control panel",
				"panel: %t, room: %s", page.Panel(), s.plannedPlace(promoted))
			first, more := []string{typeUpdateParticipant}, []string{
				typeCountDownTimer, roomEdited, moved, typeUpdateParticipant,
			}
			s.expectSignals(c, "the operator sent those to these sessions, and nothing else",
				merged(toEach(clubRooms(), slices.Concat(first, more)...),
					toEach(leaders, slices.Concat(first, []string{moved}, more)...),
					toEach([]string{clubName}, slices.Concat(first,
						[]string{moved, typeCountDownTimer, roomEdited, moved, moved, typeUpdateParticipant})...)))
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
		s.bulletin.say(time.Now(), name, fmt.Sprintf("joins %s with the token that names nobody", mainName(s.meeting)))
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

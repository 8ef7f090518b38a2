// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

const (
	// roundName is the set of the second round.
	roundName = "round-2"

	// timeLeft is how long the class's rooms stay open once their clock runs, warning for how long before the end
	// browsers count down.
	timeLeft = 8 * time.Second
	warning  = 6

	// returnTime is how long after the end everybody is called back, when browsers' slow clocks are there too.
	returnTime = 12 * time.Second
)

// returnAgain is how long after that who is in main by then is sent it again.
const returnAgain = 10 * time.Second

// roomsOfRound are the rooms of the second round.
func roomsOfRound() []string { return []string{"fractions", "equations", "proofs"} }

// deliveredInAll is whether everybody has received so many signals in the scene, and there is no more to deliver.
func deliveredInAll(signals int) func(*stage) bool {
	return func(s *stage) bool { return s.allReceived(signals) && setReady(s) }
}

// timeRuns: the rooms are to close soon, and a second round waits for that.
func timeRuns() scene {
	var length time.Duration
	return scene{
		title: "The last seconds run, and a second round waits for its turn",
		acts: []act{
			{
				do: byState(func(s *stage) (edit, error) {
					opened := s.breakoutSet().Status.OpenedAt
					if opened == nil {
						return nil, fmt.Errorf("set %s has no openedAt", s.set)
					}
					length = (time.Since(opened.Time) + timeLeft).Round(time.Second)
					return patchSet(fmt.Sprintf("spec:\n  durationSeconds: %d   # %s from now\n  warningSeconds: "+
						"%d\n  returnMode: Automatic\n", int(length.Seconds()), timeLeft, warning)), nil
				}),
				until: deliveredInAll(1), what: "everybody received it, and the set is Ready",
			},
			{
				do: byState(func(*stage) (edit, error) { return apply(roundYAML(time.Now()), ""), nil }),
				until: func(s *stage) bool {
					round := s.sets[roundName]
					return round != nil && isTrue(round, v1alpha1.ReadyCondition, v1alpha1.WaitingReason)
				},
				what: "BreakoutSet " + roundName + " is Ready, and waits",
			},
		},
		expect: func(s *stage, c *checks) {
			timer := fmt.Sprintf("count-down-timer (%s, shown for the last %d s)", length, warning)
			s.expectReceived(c, "everybody received exactly: "+timer, everybody(timer))
			s.expectSignals(c, "the operator sent that to each session, and nothing else",
				toEach([]string{mainRoom, "red", "blue", "yellow"}, typeCountDownTimer))
			c.that(len(s.children()) == len(s.breakoutSet().Spec.Rooms), "the second round has no rooms yet",
				"there are %s", strings.Join(s.children(), ", "))
		},
	}
}

// roundYAML is the second round, to be opened from a time on.
func roundYAML(openAt time.Time) string {
	return fmt.Sprintf(`apiVersion: breakout-operator.io/v1alpha1
kind: BreakoutSet
metadata:
  name: %s
spec:
  meetingRoomRef: {name: %s}
  openAt: %s
  closeGraceSeconds: 6
  assignment: {mode: Choose}
  rooms:
  - name: %s
`, roundName, className, openAt.UTC().Format(time.RFC3339), strings.Join(roomsOfRound(), "\n  - name: "))
}

// timeIsUp: the rooms close, everybody is called back, and the second round opens.
func timeIsUp() scene {
	return scene{
		title: "The class's time is up, and the second round opens",
		set:   roundName,
		acts: []act{{
			until: func(s *stage) bool {
				return isTrue(s.sets[setName], v1alpha1.ReadyCondition, v1alpha1.TimeUpReason) && openAndThere(s) &&
					s.allReceived(2)
			},
			what: "BreakoutSet " + setName + " is closed and Ready, and " + roundName + " is open and Ready",
		}},
		expect: func(s *stage, c *checks) {
			out := s.wereOut()
			opening := []string{typeCountDownTimer, offered, typeUpdateParticipant}
			s.expectReceived(c, "everybody received exactly: "+allRoomRemoved+", twice; and of the second round a "+
				"countdown that ends in a year, instead of the one that is over, "+offered+", and who leads",
				everybody(allRoomRemoved, allRoomRemoved, "count-down-timer (ends in a year)", offered,
					typeUpdateParticipant))
			s.expectChanges(c, "who was in a breakout room went back exactly once, and nobody else changed rooms", out)
			s.expectPlaces(c, "everybody is in main, connected once", s.inMain)
			c.none(
				fmt.Sprintf("in the last %d seconds pages counted down, those of students in main excepted", warning),
				s.wrongCountdowns(out),
			)
			c.none(fmt.Sprintf("the rooms closed when their time was up, and everybody was called back when all "+
				"clocks were there, %s later, and again after %s", returnTime, returnAgain), s.wrongTimes())
			s.expectSignals(c, "the operator sent "+allRoomRemoved+" to each session, once more to main when the "+
				"rooms were gone, the second round to main, and nothing else",
				merged(toEach([]string{"red", "blue", "yellow"}, allRoomRemoved),
					toEach([]string{mainRoom}, slices.Concat([]string{allRoomRemoved, allRoomRemoved}, opening)...)))
			s.expectNobodyDisconnected(c)
			var problems []string
			for _, p := range s.people() {
				if asked := slices.Contains(s.students(), p.name); p.page.Prompted() != asked {
					problems = append(problems, fmt.Sprintf("%s is asked: %t", p.name, p.page.Prompted()))
				}
			}
			c.none("every student's page asks which room they choose, and no host's", problems)
		},
	}
}

// wrongCountdowns is who should have seen the countdown and did not, or the other way round.
func (s *stage) wrongCountdowns(out []string) []string {
	students := s.students()
	var problems []string
	for _, p := range s.people() {
		sees := slices.Contains(out, p.name) || !slices.Contains(students, p.name)
		if (p.warned > 0) != sees || p.warned > warning {
			problems = append(problems, fmt.Sprintf("%s's page counted from %d", p.name, p.warned))
		}
	}
	return problems
}

// punctual is how late something may be that the clock does: seconds in the API are whole, and this machine may be
// slow.
const punctual = 5 * time.Second

// wrongTimes is what was too early or too late about the end of the class's rooms.
func (s *stage) wrongTimes() []string {
	st := s.sets[setName].Status
	if st.ClosesAt == nil || st.ClosedAt == nil {
		return []string{fmt.Sprintf("closesAt is %v, closedAt %v", st.ClosesAt, st.ClosedAt)}
	}
	var problems []string
	if late := st.ClosedAt.Sub(st.ClosesAt.Time); late < 0 || late > punctual {
		problems = append(problems, fmt.Sprintf("they closed %s late", late))
	}
	times := map[string]int{}
	for _, call := range s.calls(simulator.OpSignal) {
		if signalName(call.SignalType, call.SignalData) != allRoomRemoved {
			continue
		}
		room := s.roomOf(call.SessionID)
		late := call.Time.Sub(st.ClosesAt.Add(returnTime + time.Duration(times[room])*returnAgain))
		if times[room]++; late < 0 || late > punctual {
			problems = append(problems, fmt.Sprintf("%s was called back %s late", room, late))
		}
	}
	return problems
}

// roomsChosen: students take the room that they like.
func roomsChosen() scene {
	chosen := func(s *stage) func(string) string {
		students := s.students()
		return func(name string) string {
			if i := slices.Index(students, name); i >= 0 {
				return roomsOfRound()[i%len(roomsOfRound())]
			}
			return mainRoom
		}
	}
	return scene{
		title: "Students choose their room",
		set:   roundName,
		acts: []act{{
			do: func(_ context.Context, s *stage) error {
				for _, name := range s.students() {
					if p := s.person(name); p != nil {
						s.class.choose(p, chosen(s)(name), time.Now())
					}
				}
				return nil
			},
			until: func(s *stage) bool { return s.allAt(chosen(s)) },
			what:  "every student is in the room that they chose, and the hosts are in main, connected once each",
		}},
		expect: func(s *stage, c *checks) {
			s.expectChanges(c, "every student changed rooms exactly once, and nobody else did", s.students())
			s.expectReceived(c, "nobody received anything", nothing)
			c.that(len(s.allCalls()) == 0, "the operator did nothing: who chooses what is not its business",
				"it made %d calls", len(s.allCalls()))
		},
	}
}
